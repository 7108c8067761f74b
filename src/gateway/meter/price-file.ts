import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { type OwnPrices, ownPriceFile, priceFile } from '../../contract/prices.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { createPrices, type Prices } from './prices.ts';

/** The price table the program brings, with the user's own file over it; that is read again when it changes. */
export interface PriceList {
  current(): Promise<Prices>;
}

const lookAgainMs = 5_000;

export function createPriceList(deps: { builtIn: string; own: string; clock: Clock; log: Log }): PriceList {
  const { clock, log } = deps;
  const builtIn = priceFile.parse(JSON.parse(readFileSync(deps.builtIn, 'utf8')));
  let prices = createPrices(builtIn, null);
  let seen: { at: number; mtimeMs: number | null } | null = null;

  /** Null when it cannot be used; the prices then stay as they were. */
  async function readOwn(): Promise<OwnPrices | null> {
    try {
      return ownPriceFile.parse(JSON.parse(await readFile(deps.own, 'utf8')));
    } catch (error) {
      log.error(
        { path: deps.own, err: error instanceof Error ? error.message : String(error) },
        'own prices are not used',
      );
      return null;
    }
  }

  return {
    current: async () => {
      const now = clock.now();
      if (seen !== null && now - seen.at < lookAgainMs && now >= seen.at) return prices;
      const mtimeMs = await stat(deps.own).then(
        (it) => it.mtimeMs,
        () => null,
      );
      const isNew = seen === null ? mtimeMs !== null : mtimeMs !== seen.mtimeMs;
      seen = { at: now, mtimeMs };
      if (!isNew) return prices;
      const own = mtimeMs === null ? null : await readOwn();
      if (mtimeMs !== null && own === null) return prices;
      prices = createPrices(builtIn, own);
      log.info({ path: deps.own, asOf: prices.asOf, own: own !== null }, 'prices are read');
      return prices;
    },
  };
}
