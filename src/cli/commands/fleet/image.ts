import { FleetError } from '../../../lib/errors.ts';
import { nearest } from '../../../lib/nearest.ts';
import { type CommandSpec, flag } from '../../frame/command.ts';
import { renderImages } from '../../render/lists.ts';

export const image: readonly CommandSpec[] = [
  {
    name: 'list',
    summary: 'Lists images and prepared disks.',
    examples: ['', '--json'],
    run: async (context) => {
      await context.needDaemon();
      const list = await context.client.call('images');
      context.print(list, (look) => renderImages(list.items, look));
      return 0;
    },
  },
  {
    name: 'build',
    summary: 'Builds the image VMs start from; an unchanged one is taken from the cache.',
    options: [{ flags: '--force', about: 'build anew' }],
    examples: ['', '--force'],
    run: async (context, input) => {
      await context.needDaemon();
      const done = await context.client.call('imageBuild', { body: { force: flag(input, 'force') } });
      context.print(done, () => [done.message, 'See how far it is:  ralph-fleet image list']);
      return 0;
    },
  },
  {
    name: 'verify',
    summary: 'Boots an image and lets it check itself against the guest contract.',
    args: [{ syntax: '[key]', about: 'beginning of its key; default: the newest' }],
    examples: ['', '3f9c2e1'],
    run: async (context, { args }) => {
      await context.needDaemon();
      const { items } = await context.client.call('images');
      const ready = items.filter((disk) => disk.kind === 'image' && disk.phase === 'ready');
      const wanted = args[0];
      const found = wanted === undefined ? ready.at(-1) : ready.find((disk) => disk.key.startsWith(wanted));
      if (!found) {
        const near = nearest(
          wanted ?? '',
          ready.map((disk) => disk.key),
        );
        const remedy = near.length > 0 ? `There are: ${near.join(', ')}` : 'ralph-fleet image build';
        throw new FleetError('not_found', 'There is no such image that is ready.', { remedy });
      }
      const done = await context.client.call('imageVerify', { params: { key: found.key }, idleMs: 600_000 });
      context.print(done, () => [done.message]);
      return 0;
    },
  },
];
