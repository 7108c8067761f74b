import { type CommandSpec, flag } from '../../frame/command.ts';
import { bytes, plural } from '../../render/figures.ts';
import { renderImageReport, renderImages } from '../../render/lists.ts';
import { join } from '../../render/look.ts';

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
    name: 'gc',
    summary: 'Removes images and prepared disks nobody needs, oldest first; what the next task would start from stays.',
    options: [{ flags: '--dry-run', about: 'list only what would go' }],
    examples: ['--dry-run', '', '--yes'],
    run: async (context, input) => {
      await context.needDaemon();
      const would = await context.client.call('imageGc', { body: { confirmed: false } });
      if (would.disks.length === 0 || flag(input, 'dryRun')) {
        context.print(would, (look) =>
          would.disks.length === 0 ? ['Nothing to remove.'] : renderImages(would.disks, look),
        );
        return 0;
      }
      context.note(join(context.look(), renderImages(would.disks, context.look())).trimEnd());
      const size = would.disks.reduce((sum, disk) => sum + (disk.sizeBytes ?? 0), 0);
      if (
        !(await context.confirm(
          `Remove ${plural(would.disks.length, 'disk')}, ${bytes(size)}?`,
          'ralph-fleet image gc --yes',
        ))
      ) {
        context.note('Nothing was changed.');
        return 1;
      }
      const gone = await context.client.call('imageGc', { body: { confirmed: true } });
      context.print(gone, () => [`${plural(gone.disks.length, 'disk')} of ${bytes(size)} go now.`]);
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
