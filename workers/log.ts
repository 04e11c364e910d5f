/** How the parts of `workers/` tell a person what they are doing: one finished sentence per call. */
export type Log = (line: string) => void;

export const silent: Log = () => {};
