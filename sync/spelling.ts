/**
 * One key for all spellings of a name: `TwoWay`, `two_way` and `TWO-WAY` are the same. Names of constants
 * come from Python, names in camel case from MATLAB.
 */
export const foldName = (text: string): string => text.trim().replace(/[-_ ]/g, '').toLowerCase();
