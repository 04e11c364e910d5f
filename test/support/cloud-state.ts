/** What the cloud holds, asked for over HTTP, page by page, without the code of a run. */
import type { Lab } from './lab.ts';

interface Row {
  readonly id: string;
  readonly ndiId: string;
  readonly name: string;
}

export interface CloudState {
  readonly count: number;
  /** NDI ids that are there more than once. */
  readonly doubled: string[];
  datasetsNamed(name: string): Promise<number>;
}

export async function documentsInCloud(lab: Pick<Lab, 'sandbox'>, datasetId: string): Promise<CloudState> {
  const token = await login(lab);
  const get = async (path: string): Promise<Record<string, Row[]>> => {
    const answer = await fetch(`${lab.sandbox.apiUrl}${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return (await answer.json()) as Record<string, Row[]>;
  };
  const seen = new Map<string, number>();
  let count = 0;
  for (let page = 1; ; page += 1) {
    const { documents = [] } = await get(`/datasets/${datasetId}/documents?page=${page}&pageSize=1000`);
    for (const row of documents) seen.set(row.ndiId, (seen.get(row.ndiId) ?? 0) + 1);
    count += documents.length;
    if (documents.length < 1000) break;
  }
  const organization = lab.sandbox.users[0]!.organizationId;
  return {
    count,
    doubled: [...seen].filter(([, times]) => times > 1).map(([id]) => id),
    // A name may carry a mark while it is being given: anything that begins with it counts.
    datasetsNamed: async (name) => {
      const { datasets = [] } = await get(`/organizations/${organization}/datasets?page=1&pageSize=1000`);
      return datasets.filter((row) => row.name === name || row.name.startsWith(`${name} `)).length;
    },
  };
}

/** An empty dataset, as a person makes one in the cloud. */
export async function createCloudDataset(lab: Pick<Lab, 'sandbox'>, name: string): Promise<string> {
  const { organizationId } = lab.sandbox.users[0]!;
  const made = await cloudRequest(lab, 'POST', `/organizations/${organizationId}/datasets`, { name });
  return made.id as string;
}

/** A document of any content, as any other client could add it. */
export async function addCloudDocument(
  lab: Pick<Lab, 'sandbox'>,
  datasetId: string,
  text: string,
): Promise<void> {
  await cloudRequest(lab, 'POST', `/datasets/${datasetId}/documents`, text);
}

/** Any request of the first user; what it answers. */
export async function cloudRequest(
  lab: Pick<Lab, 'sandbox'>,
  method: string,
  path: string,
  body?: object | string,
): Promise<Record<string, unknown>> {
  const answer = await fetch(lab.sandbox.apiUrl + path, {
    method,
    headers: { authorization: `Bearer ${await login(lab)}` },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** The cloud id of each NDI id, of up to 1,000 documents. */
export async function cloudIds(lab: Pick<Lab, 'sandbox'>, datasetId: string): Promise<Map<string, string>> {
  const path = `/datasets/${datasetId}/documents?page=1&pageSize=1000`;
  const { documents } = await cloudRequest(lab, 'GET', path);
  return new Map((documents as { id: string; ndiId: string }[]).map((row) => [row.ndiId, row.id]));
}

async function login(lab: Pick<Lab, 'sandbox'>): Promise<string> {
  const { email, password } = lab.sandbox.users[0]!;
  const answer = await fetch(`${lab.sandbox.apiUrl}/auth/login`, {
    method: 'POST',
    body: JSON.stringify({ email, password }),
  });
  return ((await answer.json()) as { token: string }).token;
}
