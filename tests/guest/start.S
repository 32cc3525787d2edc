/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owns getting from QEMU's multiboot loader into C, and the stubs of the exception vectors.
 */
        .set    MAGIC, 0x1badb002
        .set    FLAGS, 0

        .section .multiboot, "a"
        .align  4
        .long   MAGIC, FLAGS, -(MAGIC + FLAGS)

        .text
        .globl  _start
_start:
        cli
        cld
        movl    $stack_top, %esp
        lgdt    gdt_pointer
        ljmp    $0x08, $1f
1:      movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        pushl   %ebx                    /* struct of the boot loader */
        call    guest_main
2:      cli
        hlt
        jmp     2b

/* All exceptions end in one C function: vector, error code (0 where there is none), EIP. */
        .altmacro
        .macro  vector n
        .align  16
        .if     (\n == 8) || ((\n >= 10) && (\n <= 14)) || (\n == 17) || (\n == 21)
        pushl   $\n
        .else
        pushl   $0
        pushl   $\n
        .endif
        call    guest_exception
        .endm

        .align  16
        .globl  vectors
vectors:
        .set    i, 0
        .rept   32
        vector  %i
        .set    i, i + 1
        .endr

/* The device's interrupts: all end in one C function, by number, and go back. */
        .macro  irq n
        .align  16
        pushl   $\n
        jmp     irq_common
        .endm

irq_common:
        pushal
        pushl   32(%esp)
        call    guest_interrupt
        addl    $4, %esp
        popal
        addl    $4, %esp
        iret

        .align  16
        .globl  irq_stubs
irq_stubs:
        .set    i, 0
        .rept   16
        irq     %i
        .set    i, i + 1
        .endr

        .section .rodata
        .align  8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff
        .quad   0x00cf92000000ffff
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt

        .bss
        .align  16
        .skip   16384
stack_top:

        .section .note.GNU-stack, "", @progbits
