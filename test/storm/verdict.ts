/** What must hold after a storm: everything arrived, once, and the run says so. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import type { CloudState } from '../support/cloud-state.ts';

/** The part of a result that the command line and the workflow both give. */
export interface TransferOutcome {
  readonly status: string;
  readonly documents: { readonly total: number; readonly failed: number };
  readonly files: { readonly total: number; readonly failed: number };
  readonly duplicatesRemoved?: number;
  readonly problems: readonly { readonly code: string; readonly detail?: string }[];
  readonly reportPath: string;
}

/** One sentence for each thing that is not right. */
export async function uploadFindings(
  outcome: TransferOutcome,
  documents: number,
  cloud: CloudState,
): Promise<string[]> {
  return [
    ...outcomeFindings('upload', outcome, new Set()),
    ...(cloud.doubled.length > 0 ? [`upload: ${cloud.doubled.length} documents are in the cloud twice`] : []),
    ...(cloud.count === documents ? [] : [`upload: the cloud has ${cloud.count} of ${documents} documents`]),
  ];
}

/**
 * `removed`: doubles that the upload took out; the cloud's own count does not fall with them (contract §2.4).
 */
export async function downloadFindings(
  outcome: TransferOutcome,
  { source, target, removed }: { readonly source: string; readonly target: string; readonly removed: number },
): Promise<string[]> {
  const allowed = new Set(removed > 0 ? ['NDI_E_LISTS_DISAGREE'] : []);
  const findings = outcomeFindings('download', outcome, allowed);
  if (!existsSync(target)) return [...findings, 'download: there is no target'];
  const { equal, ...differences } = await compareDatasets(source, target);
  if (!equal) findings.push(`download: the copy differs: ${JSON.stringify(differences)}`);
  const aside = readdirSync(dirname(target)).filter((name) => name.startsWith(`.${basename(target)}.`));
  if (aside.length > 0) findings.push(`download: ${aside.join(', ')} is left beside the target`);
  const partial = readdirSync(target, { recursive: true }).filter((name) =>
    String(name).endsWith('.partial'),
  );
  if (partial.length > 0) findings.push(`download: ${partial.join(', ')} is left in the target`);
  return findings;
}

function outcomeFindings(which: string, outcome: TransferOutcome, allowed: ReadonlySet<string>): string[] {
  const problems = outcome.problems.filter(({ code }) => !allowed.has(code));
  const findings = problems.map(({ code, detail }) => `${which}: problem ${code} ${detail ?? ''}`);
  if (outcome.problems.length === 0 && outcome.status !== 'done')
    findings.push(`${which}: ${outcome.status}`);
  if (!existsSync(outcome.reportPath)) return [...findings, `${which}: there is no report`];
  const report = JSON.parse(readFileSync(outcome.reportPath, 'utf8')) as TransferOutcome;
  for (const kind of ['documents', 'files'] as const) {
    if (JSON.stringify(report[kind]) !== JSON.stringify(outcome[kind]))
      findings.push(`${which}: report and result count ${kind} differently`);
  }
  return findings;
}
