import type { CommandSpec } from '../../frame/command.ts';
import { renderImageReport, renderImages } from '../../render/lists.ts';

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
  {
    name: 'verify',
    summary: 'Boots an image and prints what its guest finds of the guest contract. Exit 1 when it is not kept.',
    args: [{ syntax: '[image]', about: 'its key, or the start of it; default: the one fleet.yaml asks for' }],
    examples: ['', '4f1d0c --json'],
    run: async (context, { args }) => {
      await context.needDaemon();
      context.note('booting it; without hardware virtualisation that takes a minute');
      const report = await context.client.call('imageVerify', { body: { key: args[0] ?? null } });
      context.print(report, (look) => renderImageReport(report, look));
      return report.ok ? 0 : 1;
    },
  },
];
