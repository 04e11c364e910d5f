/** Files that Finder and Explorer make in every folder that they show. */
const NAMES: ReadonlySet<string> = new Set(['.DS_Store', '.localized', 'Thumbs.db', 'desktop.ini']);

export const isLeftByFileManager = (name: string): boolean => NAMES.has(name);
