import type { Transcripts } from '../loop/transcripts.ts';
import type { Store } from '../store/store.ts';

/** What each iteration does now, read again only when its stream has grown; an answer is at most one look old. */
export function createDoing(deps: {
  store: Store;
  transcripts: Pick<Transcripts, 'doing'>;
}): (iteration: string) => string | null {
  const known = new Map<string, { bytes: number; text: string | null }>();
  return (id) => {
    const iteration = deps.store.iterations.get(id);
    if (iteration === null || iteration.phase === 'ended') {
      known.delete(id);
      return null;
    }
    const last = known.get(id);
    if (last?.bytes !== iteration.streamBytes) {
      known.set(id, { bytes: iteration.streamBytes, text: last?.text ?? null });
      void deps.transcripts.doing(id).then(
        (text) => known.set(id, { bytes: iteration.streamBytes, text }),
        () => {},
      );
    }
    return known.get(id)?.text ?? null;
  };
}
