export type ConflictPolicy = 'ask' | 'keep-both' | 'local' | 'cloud' | 'merge';
