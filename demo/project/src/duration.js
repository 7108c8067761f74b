/** Seconds as people say them. */
export function formatDuration(seconds) {
  return `${seconds} s`;
}
