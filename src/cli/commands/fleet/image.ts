import type { CommandSpec } from '../../frame/command.ts';
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
    examples: [''],
    run: async (context) => {
      await context.needDaemon();
      const done = await context.client.call('imageBuild');
      context.print(done, () => [done.message, 'See how far it is:  ralph-fleet image list']);
      return 0;
    },
  },
];
