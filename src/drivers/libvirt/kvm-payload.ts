/**
 * A firmware of 64 KiB that proves that a virtual CPU runs code as a kernel needs it. `as --64`, `ld -Ttext 0 --oformat binary` of:
 *
 *   .code16
 *   start:
 *     cli
 *     lgdtl %cs:gdtr
 *     mov %cr0, %eax
 *     or $1, %al
 *     mov %eax, %cr0
 *     ljmpl $0x08, $(0xf0000 + pm)
 *   .code32
 *   pm:
 *     mov $0x10, %ax
 *     mov %ax, %ds
 *     mov %ax, %es
 *     mov %ax, %ss
 *     mov $0x8000, %esp
 *     xor %eax, %eax
 *     mov $0x1000, %edi
 *     mov $0x0c00, %ecx
 *     rep stosl
 *     movl $0x2003, 0x1000
 *     movl $0x3003, 0x2000
 *     movl $0x0083, 0x3000
 *     mov $0x1000, %eax
 *     mov %eax, %cr3
 *     mov %cr4, %eax
 *     or $0x620, %eax
 *     mov %eax, %cr4
 *     mov $0xc0000080, %ecx
 *     rdmsr
 *     or $0x100, %eax
 *     wrmsr
 *     mov %cr0, %eax
 *     or $0x80000000, %eax
 *     and $0xfffffffb, %eax
 *     mov %eax, %cr0
 *     ljmpl $0x18, $(0xf0000 + lm)
 *   .code64
 *   lm:
 *     mov $0x123456789abcdef0, %rax
 *     movq %rax, %xmm0
 *     paddq %xmm0, %xmm0
 *     movq %xmm0, %rbx
 *     add %rax, %rax
 *     cmp %rax, %rbx
 *     jne bad
 *     mov $0xf4, %edx
 *     mov $0x10, %al
 *     out %al, %dx
 *   bad:
 *     hlt
 *     jmp bad
 *   .align 8
 *   gdt:
 *     .quad 0
 *     .quad 0x00cf9a000000ffff
 *     .quad 0x00cf92000000ffff
 *     .quad 0x00af9a000000ffff
 *   gdtr:
 *     .word 31
 *     .long 0xf0000 + gdt
 *
 * Port 0xf4 is QEMU's isa-debug-exit: writing 0x10 ends QEMU with exit code 0x10 << 1 | 1.
 */
const code = [
  '+i5mDwEW2AAPIMAMAQ8iwGbqGAAPAAgAZrgQAI7YjsCO0LwAgAAAMcC/ABAAALkADAAA86vHBQAQAAADIAAAxwUAIAAAAzAAAMcF',
  'ADAAAIMAAAC4ABAAAA8i2A8g4A0gBgAADyLguYAAAMAPMg0AAQAADzAPIMANAAAAgIPg+w8iwOqJAA8AGABIuPDevJp4VjQSZkgP',
  'bsBmD9TAZkgPfsNIAcBIOcN1CLr0AAAAsBDu9Ov9Dx9AAAAAAAAAAAAA//8AAACazwD//wAAAJLPAP//AAAAmq8AHwC4AA8A',
].join('');

export const payloadExitCode = 33;

const firmwareBytes = 64 * 1024;

export function kvmPayload(): Uint8Array {
  const firmware = Buffer.alloc(firmwareBytes, 0xf4); // hlt
  Buffer.from(code, 'base64').copy(firmware);
  // The CPU starts 16 bytes before the end: jmp near to the first byte, around the end of the segment.
  Buffer.from([0xe9, 0x0d, 0x00]).copy(firmware, firmwareBytes - 16);
  return firmware;
}
