import { FleetError } from '../../lib/errors.ts';
import { nearest } from '../../lib/nearest.ts';

/** `--json=a,b`: those keys of the document, or of each item of a list. A wrong name lists the right ones. */
export function selectFields(document: unknown, fields: readonly string[]): unknown {
  if (fields.length === 0 || !isRecord(document)) return document;
  const items = document['items'];
  if (Array.isArray(items))
    return { ...document, items: items.map((item) => (isRecord(item) ? pick(item, fields) : item)) };
  return pick(document, fields);
}

function pick(record: Record<string, unknown>, fields: readonly string[]): Record<string, unknown> {
  const known = Object.keys(record);
  const wrong = fields.find((field) => !known.includes(field));
  if (wrong !== undefined) {
    const near = nearest(wrong, known, 1)[0];
    throw new FleetError('usage', `There is no field \`${wrong}\` here.`, {
      remedy: near ? `Did you mean \`${near}\`? Fields: ${known.join(', ')}` : `Fields: ${known.join(', ')}`,
    });
  }
  return Object.fromEntries(fields.map((field) => [field, record[field]]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
