/**
 * Which proxy an address is reached through, as the environment says: `https_proxy`, `http_proxy` and
 * `no_proxy`, in lower or upper case. The rules are curl's. Addresses of this computer never go through one.
 */
import { BlockList, isIP } from 'node:net';
import { CourierError } from '../errors/index.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ProxyServer {
  /** May hold a password: never shown. */
  readonly url: string;
  /** Without name and password. */
  readonly shown: string;
  /** The variable that names it. */
  readonly from: string;
}

/**
 * The proxy for an address, or undefined where it is reached directly.
 * @throws NDI_E_SETTING when the variable does not hold the address of a proxy
 */
export function proxyFor(address: string | URL, env: Environment): ProxyServer | undefined {
  const url = new URL(address);
  const hostname = hostnameOf(url);
  if (isLoopback(hostname)) return undefined;
  const named = variable(env, url.protocol === 'https:' ? 'https_proxy' : 'http_proxy');
  if (named === undefined || isExcluded(hostname, portOf(url), variable(env, 'no_proxy')?.value ?? ''))
    return undefined;
  return readProxy(named.name, named.value);
}

/** Lower case wins, also when it is empty: so it can switch a proxy off. */
function variable(
  env: Environment,
  name: string,
): { readonly name: string; readonly value: string } | undefined {
  for (const spelling of [name, name.toUpperCase()]) {
    const value = env[spelling]?.trim();
    if (value === undefined) continue;
    return value === '' ? undefined : { name: spelling, value };
  }
  return undefined;
}

/** The value is never repeated: it may hold a password. */
function readProxy(from: string, value: string): ProxyServer {
  // `proxy.lab:3128` is a usual way to write it.
  const text = value.includes('://') ? value : `http://${value}`;
  const bad = (why: string): CourierError =>
    new CourierError('NDI_E_SETTING', { detail: `${from} ${why}, such as http://proxy.lab:3128.` });
  if (!URL.canParse(text)) throw bad('is not the address of a proxy');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw bad('is not the address of a proxy with http or https');
  // A password with an unencoded slash would otherwise be taken for the host.
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw bad('holds more than the address of a proxy');
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw bad('holds a name or password with a bare %; an address writes it as %25');
  }
  return { url: url.href, shown: url.origin, from };
}

const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'https:' ? 443 : 80);

/** Without the brackets of IPv6 and the dot at the end. */
const hostnameOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('0.0.0.0', 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
LOOPBACK.addAddress('::', 'ipv6');

const isListed = (list: BlockList, hostname: string): boolean => {
  const version = isIP(hostname);
  return version !== 0 && list.check(hostname, version === 4 ? 'ipv4' : 'ipv6');
};

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname.endsWith('.localhost') || isListed(LOOPBACK, hostname);

/** `no_proxy`: names (their subdomains too), addresses, networks such as 10.0.0.0/8, each with or without port. */
function isExcluded(hostname: string, port: number, noProxy: string): boolean {
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || matches(hostname, port, entry));
}

function matches(hostname: string, port: number, entry: string): boolean {
  if (entry.includes('/')) return isInNetwork(hostname, entry);
  const bare = entry.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) !== 0) return sameAddress(hostname, bare);
  const [, name = '', wantedPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (wantedPort !== undefined && Number(wantedPort) !== port) return false;
  const host = name.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return sameAddress(hostname, host);
  const suffix = host.replace(/^\*?\./, '').replace(/\.$/, '');
  return suffix !== '' && (hostname === suffix || hostname.endsWith(`.${suffix}`));
}

/** An IPv6 address can be written in many ways. */
function sameAddress(hostname: string, address: string): boolean {
  const list = new BlockList();
  list.addAddress(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
  return isListed(list, hostname);
}

function isInNetwork(hostname: string, entry: string): boolean {
  const [address = '', bits = ''] = entry.split('/');
  const version = isIP(address);
  if (version === 0 || !/^\d+$/.test(bits) || Number(bits) > (version === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  return isListed(list, hostname);
}
