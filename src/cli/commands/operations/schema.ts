import { FleetError } from '../../../lib/errors.ts';
import { nearest } from '../../../lib/nearest.ts';
import type { CommandSpec } from '../../frame/command.ts';

export const schema: CommandSpec = {
  name: 'schema',
  summary: 'Prints the JSON Schema of a file format or of a document this program prints.',
  args: [{ syntax: '[name]', about: 'without it: the names' }],
  examples: ['fleet > fleet.schema.json', 'status', ''],
  run: async (context, { args }) => {
    const { fileSchemas, toJsonSchema } = await import('../../../config/schemas.ts');
    const { routes } = await import('../../../contract/routes.ts');
    const { ownPriceFile } = await import('../../../contract/prices.ts');
    const answers = Object.fromEntries(Object.entries(routes).map(([name, route]) => [name, route.response]));
    const all = { ...answers, ...fileSchemas, prices: ownPriceFile, status: routes.fleet.response };
    const files = [...Object.keys(fileSchemas), 'prices'];
    const names = [...files, 'status', ...Object.keys(answers).filter((name) => !files.includes(name))];
    const [name] = args;
    if (name === undefined) {
      context.print({ items: names, next: null }, () => names);
      return 0;
    }
    const found = Object.hasOwn(all, name) ? all[name as keyof typeof all] : undefined;
    if (!found) {
      const near = nearest(name, names);
      const remedy =
        near.length > 0 ? `Did you mean: ${near.join(', ')}?` : `There are: ${names.slice(0, 4).join(', ')}, …`;
      throw new FleetError('not_found', `There is no schema \`${name.slice(0, 60)}\`.`, { remedy });
    }
    context.io.out(`${JSON.stringify(toJsonSchema(found), null, context.globals.json ? 0 : 2)}\n`);
    return 0;
  },
};
