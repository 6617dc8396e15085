/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry at EL2, MMU off, from QEMU's ELF loader; and the switch between the
 * test's two halves. See bare.c.
 */
	.section .text.start, "ax"
	.global	_start
_start:
	/*
	 * HCR_EL2.{E2H,TGE,RW}: where a VM's L1 starts, too. And VM, which has no
	 * effect with TGE: QEMU forgets all translations when it changes, and so
	 * would hide a TLBI that is missing.
	 */
	mov	x0, #(1 << 31)
	orr	x0, x0, #(1 << 34)
	orr	x0, x0, #(1 << 27)
	orr	x0, x0, #(1 << 0)
	msr	hcr_el2, x0
	isb
	/* CPTR_EL2 in its E2H form: no traps of FP */
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	isb
	adrp	x0, bare_stack
	add	x0, x0, :lo12:bare_stack
	add	x0, x0, #0x10, lsl #12	/* its 64K */
	mov	sp, x0
	bl	bare_start
1:	wfi
	b	1b

/* void bare_switch(u64 *save_sp, u64 sp): to a stack that was switched from */
	.section .text.bare_switch, "ax"
	.global	bare_switch
bare_switch:
	sub	sp, sp, #160
	stp	x29, x30, [sp]
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mov	x2, sp
	str	x2, [x0]
	mov	sp, x1
	ldp	x29, x30, [sp]
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #160
	ret

/* First time on L1's stack: x19 has the function, x20 its arguments. */
	.global	bare_l1_first
bare_l1_first:
	ldp	x0, x1, [x20]
	ldp	x2, x3, [x20, #16]
	blr	x19
	b	bare_l1_returned
