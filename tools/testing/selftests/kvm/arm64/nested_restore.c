// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_restore - a VM is saved while a vCPU is in L2, and goes on as a new VM
 *
 * The host side stops the guest where the row says, reads all registers (KVM_GET_REG_LIST), makes a
 * new VM with a copy of the memory, sets the registers in the order of the list, and throws the old
 * VM away. The guest goes on there. This happens several times in a row. Nothing else is restored:
 * no interrupt is in use, so that the GIC's state is that after reset.
 *
 * An L2 that is continued on the canonical table instead of its own stage 2 fetches from a hole;
 * what it reads as data has, at the same address of L1's physical memory, another value.
 *
 * Seen to fail: with a vCPU that keeps the canonical table when it is first loaded in L2.
 *
 * No locking: one vCPU runs at a time.
 */
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/* The probe: L2 has it at a nested IPA that L1 has memory at, too. */
#define PROBE_GPA		0xb8000000UL
#define PROBE_GVA		0x5000000000UL
#define PROBE_SLOT		1
#define PROBE_IPA		0xb0000000UL
#define DECOY_GPA		PROBE_IPA
#define DECOY_GVA		0x5800000000UL
#define DECOY_SLOT		2
#define PROBE_VA		0x7000000000UL
#define STUB_OFFSET		SZ_64K		/* in the probe's memory, and of the nested IPA */
#define VNCR_OFFSET		(2 * SZ_64K)	/* in the probe's memory */
#define MEM_SIZE		(4 * SZ_64K)

#define HOLE_GPA		0xf0000000UL
#define MMIO_IPA		0x48000000UL
#define MMIO_VALUE		0x0123456789abcdefUL

#define RIGHT			0x600d600d00000000UL
#define WRONG			0xbadbadbad0000000UL
#define ROUNDS			4
#define VNCR_VTTBR_EL2		0x020

#define SYNC_STOP		2

struct restore_row {
	const char *desc;
	void *l1;
	void *l1_second;	/* of vCPU 1, if there is one */
	u64 arg;
};

static void l1_in_l2(struct l2_vcpu *l2, u64 arg);
static void l1_in_stub(struct l2_vcpu *l2, u64 pstate);
static void l1_itself(struct l2_vcpu *l2, u64 hcr_clear);
static void l1_vncr(struct l2_vcpu *l2, u64 arg);

static const struct restore_row rows[] = {
	{ .desc = "in L1", .l1 = l1_itself },
	{ .desc = "in L1, HCR_EL2.TGE = 0", .l1 = l1_itself, .arg = HCR_EL2_TGE },
	{ .desc = "in L2 at EL1", .l1 = l1_in_l2 },
	{ .desc = "in L2 at EL1, MMU off", .l1 = l1_in_stub, .arg = L2_PSTATE },
	{ .desc = "in L2 at EL0", .l1 = l1_in_stub, .arg = L2_PSTATE_EL0 },
	{ .desc = "in L2 with VNCR_EL2", .l1 = l1_vncr },
	{ .desc = "vCPU 0 in L2, vCPU 1 in L1", .l1 = l1_in_l2, .l1_second = l1_itself },
	{ .desc = "vCPU 0 in L1, vCPU 1 in L2", .l1 = l1_itself, .l1_second = l1_in_l2 },
};

static struct nested_mem probe_mem = {
	.gva = PROBE_GVA, .gpa = PROBE_GPA, .size = MEM_SIZE,
};

static struct nested_mem decoy_mem = {
	.gva = DECOY_GVA, .gpa = DECOY_GPA, .size = MEM_SIZE,
};

/* L2 */

static void l2_probe(u64 id)
{
	u64 *probe = (u64 *)PROBE_VA + id, i;

	for (i = 0; i < ROUNDS; i++) {
		GUEST_ASSERT_EQ(READ_ONCE(*probe), RIGHT + i);
		GUEST_SYNC(SYNC_STOP);
		GUEST_ASSERT_EQ(READ_ONCE(*probe), RIGHT + i);
		WRITE_ONCE(*probe, RIGHT + i + 1);
	}
}

/* It takes itself for a hypervisor. */
static void l2_hypervisor(u64 arg)
{
	u64 i;

	for (i = 0; i < ROUNDS; i++) {
		write_sysreg_s(RIGHT + i, SYS_VTTBR_EL2);
		GUEST_SYNC(SYNC_STOP);
		GUEST_ASSERT_EQ(read_sysreg_s(SYS_VTTBR_EL2), RIGHT + i);
	}
	GUEST_SYNC(SYNC_STOP);
	/* The first access is a write, this time. */
	write_sysreg_s(RIGHT + ROUNDS, SYS_VTTBR_EL2);
}

/* L1 */

static u64 *l1_probe(void)
{
	return nested_va(&probe_mem, PROBE_GPA);
}

/* Values for each vCPU, and others where the canonical table would lead to. */
static void l1_prepare(unsigned int id)
{
	u64 *decoy = nested_va(&decoy_mem, DECOY_GPA);

	GUEST_ASSERT_EQ(get_current_el(), 2);
	l1_probe()[id] = RIGHT;
	decoy[id] = WRONG;
}

static void l1_run_to_end(struct l2_vcpu *l2)
{
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_DONE));
}

static void l1_in_l2(struct l2_vcpu *l2, u64 arg)
{
	unsigned int id = guest_get_vcpuid();

	l1_prepare(id);
	l2->regs[0] = id;
	l1_run_to_end(l2);
	GUEST_ASSERT_EQ(l1_probe()[id], RIGHT + ROUNDS);
	GUEST_DONE();
}

static void l1_itself(struct l2_vcpu *l2, u64 hcr_clear)
{
	unsigned int i, id = guest_get_vcpuid();
	u64 hcr = read_sysreg(hcr_el2);

	l1_prepare(id);
	write_sysreg(hcr & ~hcr_clear, hcr_el2);
	isb();
	for (i = 0; i < ROUNDS; i++) {
		GUEST_SYNC(SYNC_STOP);
		GUEST_ASSERT_EQ(get_current_el(), 2);
		GUEST_ASSERT_EQ(read_sysreg(hcr_el2), hcr & ~hcr_clear);
		GUEST_ASSERT_EQ(l1_probe()[id], RIGHT);
	}
	write_sysreg(hcr, hcr_el2);
	isb();

	/* And L2 runs after it. */
	l2->regs[0] = id;
	l1_run_to_end(l2);
	GUEST_ASSERT_EQ(l1_probe()[id], RIGHT + ROUNDS);
	GUEST_DONE();
}

/* An L2 without C code, that stops by access to what is not memory. */
static void l1_in_stub(struct l2_vcpu *env_l2, u64 pstate)
{
	u64 *stub = nested_va(&probe_mem, PROBE_GPA + STUB_OFFSET);
	u16 imm = pstate == L2_PSTATE ? L2_HVC_DONE : L2_HVC_VECTOR + 8;
	struct l2_vcpu l2;

	l1_prepare(0);
	l2_stubs_install(stub, SZ_64K);
	l2_init(&l2, env_l2->s2, PROBE_IPA + STUB_OFFSET);
	l2.pc += l2_stub_offset(L2_STUB_LOAD_BETWEEN);
	l2.pstate = pstate;
	l2.regs[0] = PROBE_IPA;
	l2.regs[4] = MMIO_IPA;
	nested_sync_cache(l1_probe(), sizeof(u64));
	l2_enter(&l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2.exit, imm));
	GUEST_ASSERT_EQ(l2.regs[1], RIGHT);
	GUEST_ASSERT_EQ(l2.regs[3], MMIO_VALUE);
	GUEST_DONE();
}

static void l1_vncr(struct l2_vcpu *l2, u64 arg)
{
	u64 *page = nested_va(&probe_mem, PROBE_GPA + VNCR_OFFSET);

	if (SYS_FIELD_GET(ID_AA64MMFR2_EL1, NV, read_sysreg_s(SYS_ID_AA64MMFR2_EL1)) <
	    ID_AA64MMFR2_EL1_NV_NV2 &&
	    !SYS_FIELD_GET(ID_AA64MMFR4_EL1, NV_frac, read_sysreg_s(SYS_ID_AA64MMFR4_EL1)))
		NESTED_GUEST_SKIP("the VM has no FEAT_NV2");

	l1_prepare(0);
	write_sysreg_s((u64)page, SYS_VNCR_EL2);
	isb();
	l2->pc = (u64)l2_hypervisor;
	l2->hcr |= HCR_EL2_NV | HCR_EL2_NV2;
	l1_run_to_end(l2);
	GUEST_ASSERT_EQ(page[VNCR_VTTBR_EL2 / 8], RIGHT + ROUNDS);
	GUEST_DONE();
}

/* Host */

#define MAX_VCPUS	2

struct restore_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	unsigned int nr_vcpus;
};

/* The same each time, but for what the guest has done since. */
static void restore_vm_create(struct restore_vm *v, const struct restore_row *row)
{
	struct nested_env env;
	unsigned int i;

	v->nr_vcpus = row->l1_second ? 2 : 1;
	v->vm = nested_vm_create(v->nr_vcpus, row->l1, v->vcpus);
	if (row->l1_second)
		vcpu_arch_set_entry_point(v->vcpus[1], row->l1_second);
	nested_mem_create(v->vm, &probe_mem, PROBE_SLOT, 0);
	nested_mem_sync(v->vm, &probe_mem, (gva_t)&probe_mem);
	nested_mem_create(v->vm, &decoy_mem, DECOY_SLOT, 0);
	nested_mem_sync(v->vm, &decoy_mem, (gva_t)&decoy_mem);

	nested_env_create(&env, v->vm, NULL);
	for (i = 0; i < v->nr_vcpus; i++)
		vcpu_args_set(v->vcpus[i], 2, nested_env_add_l2(&env, l2_probe), row->arg);
	nested_env_map_s1(&env, PROBE_VA, PROBE_IPA, 1, 0);
	s2_map(env.s2, PROBE_IPA, PROBE_GPA, 2 * SZ_64K, 3, S2_ATTR_DEFAULT);
	s2_map(env.s2, MMIO_IPA, HOLE_GPA, 1, 3, S2_ATTR_DEFAULT);
	nested_env_finish(&env);
}

static void copy_registers(struct kvm_vcpu *to, struct kvm_vcpu *from)
{
	struct kvm_reg_list *list = vcpu_get_reg_list(from);
	u8 value[2048 / 8];
	struct kvm_one_reg reg = { .addr = (u64)value };
	u64 i;
	int ret;

	for (i = 0; i < list->n; i++) {
		reg.id = list->reg[i];
		TEST_ASSERT(BIT((reg.id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT) <=
			    sizeof(value), "register 0x%lx is too large", (u64)reg.id);
		vcpu_ioctl(from, KVM_GET_ONE_REG, &reg);
		ret = __vcpu_ioctl(to, KVM_SET_ONE_REG, &reg);
		TEST_ASSERT(!ret, "KVM_SET_ONE_REG of 0x%lx, errno %d", (u64)reg.id, errno);
	}
	free(list);
}

/* Pages that are the same on both sides are left alone. */
static void copy_memory(struct kvm_vm *to, struct kvm_vm *from, u32 slot)
{
	struct userspace_mem_region *src = memslot2region(from, slot);
	struct userspace_mem_region *dst = memslot2region(to, slot);
	u64 page = getpagesize(), offset;

	TEST_ASSERT_EQ(src->region.guest_phys_addr, dst->region.guest_phys_addr);
	TEST_ASSERT_EQ(src->region.memory_size, dst->region.memory_size);
	for (offset = 0; offset < src->region.memory_size; offset += page)
		if (memcmp(dst->host_mem + offset, src->host_mem + offset, page))
			memcpy(dst->host_mem + offset, src->host_mem + offset, page);
}

/*
 * The library has put host addresses into the guest's memory, of the entries of its pool of ucalls.
 * They lead to the old VM's memory, and need not look like anything else of the guest's.
 */
static void relocate_ucalls(struct kvm_vm *to, struct kvm_vm *from)
{
	struct userspace_mem_region *src = memslot2region(from, 0);
	struct userspace_mem_region *dst = memslot2region(to, 0);
	u64 old = (u64)src->host_mem, new = (u64)dst->host_mem, i;
	u64 *words = dst->host_mem;

	for (i = 0; i < dst->region.memory_size / sizeof(u64); i++)
		if (words[i] - old < src->region.memory_size)
			words[i] += new - old;
}

static void move_to_new_vm(struct restore_vm *v, const struct restore_row *row)
{
	static const u32 slots[] = { 0, PROBE_SLOT, DECOY_SLOT, NESTED_ENV_SLOT };
	struct restore_vm new;
	unsigned int i;

	restore_vm_create(&new, row);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		copy_memory(new.vm, v->vm, slots[i]);
	relocate_ucalls(new.vm, v->vm);
	for (i = 0; i < v->nr_vcpus; i++)
		copy_registers(new.vcpus[i], v->vcpus[i]);
	kvm_vm_free(v->vm);
	*v = new;
}

/* Run a vCPU to its next stop, or to its end. */
static int run_to_stop(struct kvm_vcpu *vcpu, const char **reason)
{
	u64 value = MMIO_VALUE;
	struct ucall uc;
	int ret;

	ret = nested_run_vcpu(vcpu, &uc, reason);
	if (ret == NESTED_EXIT && vcpu->run->exit_reason == KVM_EXIT_MMIO &&
	    vcpu->run->mmio.phys_addr == HOLE_GPA && !vcpu->run->mmio.is_write) {
		memcpy(vcpu->run->mmio.data, &value, sizeof(value));
		ret = NESTED_SYNC;
	}
	if (ret == NESTED_EXIT)
		ksft_print_msg("unexpected exit to userspace: %s\n",
			       exit_reason_str(vcpu->run->exit_reason));
	/* The access that it has stopped in is not over before. */
	if (ret == NESTED_SYNC)
		vcpu_run_complete_io(vcpu);

	return ret;
}

static int run_row(unsigned int n, const char **reason)
{
	const struct restore_row *row = &rows[n];
	int ret[MAX_VCPUS] = { NESTED_SYNC, NESTED_SYNC };
	unsigned int i, moves = 0;
	struct restore_vm v;
	bool again;

	restore_vm_create(&v, row);
	do {
		again = false;
		for (i = 0; i < v.nr_vcpus; i++) {
			if (ret[i] != NESTED_SYNC)
				continue;
			ret[i] = run_to_stop(v.vcpus[i], reason);
			if (ret[i] == NESTED_SYNC)
				again = true;
			else if (ret[i] != NESTED_PASS)
				return ret[i] == NESTED_SKIP ? NESTED_SKIP : NESTED_FAIL;
		}
		if (again) {
			move_to_new_vm(&v, row);
			moves++;
		}
	} while (again);
	kvm_vm_free(v.vm);

	ksft_print_msg("moved %u times\n", moves);
	return moves >= 2 ? NESTED_PASS : NESTED_FAIL;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_restore",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row, .timeout_s = 20,
	};

	return nested_main(argc, argv, &suite);
}
