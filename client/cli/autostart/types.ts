/** The files and commands by which a system starts the service. One file of this folder per system. */

/** The service to start: a program with its arguments and the environment variables that it needs. */
export interface ServiceCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Autostart {
  /** Where the file lies below the user's home folder, with `/`. */
  readonly path: string;
  readonly encoding: 'utf8' | 'utf16le';
  text(service: ServiceCommand): string;
  /** Commands that make the system take the file, in order. `path` is the absolute path of the file. */
  enable(path: string): ReadonlyArray<readonly string[]>;
  disable(path: string): ReadonlyArray<readonly string[]>;
  /** A thing that a person may want to do besides. */
  readonly hint?: string;
}

export const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
