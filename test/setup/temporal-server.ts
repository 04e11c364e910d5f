/** Placeholder until the embedded server lands in the next commit: unit tests need no server. */
export default function setup(): void {}
