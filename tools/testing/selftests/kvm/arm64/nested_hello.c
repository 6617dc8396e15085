// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_hello - an L2 that runs C code, as small as it gets
 *
 * The example for lib/arm64/nested.c, and the test of it: what the other tests build on works, with
 * each granule that L1 may use, and L1's registers survive L2.
 *
 * Seen to fail: with the start level that SL0 = 1 stands for taken as 2 (4K), and with SL0 of 16K
 * and 64K taken the other way round.
 *
 * No locking: one vCPU.
 */
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"

#define ARG		0x1122334455667788UL
#define SYNC_FROM_L2	2

struct row {
	const char *desc;
	struct s2_geometry geo;
};

static const struct row rows[] = {
	{ .desc = "the smallest granule" },
	{ .desc = "4K, 48 bits", .geo = { .page_shift = 12, .ia_bits = 48, .start = 0 } },
	{ .desc = "16K, 40 bits", .geo = { .page_shift = 14, .ia_bits = 40, .start = 2 } },
	{ .desc = "64K, 42 bits", .geo = { .page_shift = 16, .ia_bits = 42, .start = 2 } },
	{ .desc = "4K, 52 bits from level -1",
	  .geo = { .page_shift = 12, .ia_bits = 52, .start = -1, .large = true } },
	{ .desc = "16K, 52 bits from level 0",
	  .geo = { .page_shift = 14, .ia_bits = 52, .start = 0, .large = true } },
	{ .desc = "64K, 52 bits from level 1",
	  .geo = { .page_shift = 16, .ia_bits = 52, .start = 1, .large = true } },
};

static void l2_code(u64 arg)
{
	GUEST_ASSERT_EQ(get_current_el(), 1);
	GUEST_ASSERT_EQ(arg, ARG);
	GUEST_ASSERT_EQ(l2_hvc(ARG + 1), ARG + 2);
	GUEST_SYNC(SYNC_FROM_L2);
}

static void l1_code(struct l2_vcpu *l2)
{
	register double d8 asm("d8") = 8.0;

	l2->regs[0] = ARG;
	asm volatile("" : "+w" (d8));
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
	GUEST_ASSERT_EQ(l2->regs[0], ARG + 1);
	l2->regs[0] = ARG + 2;
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_DONE));
	asm volatile("" : "+w" (d8));
	GUEST_ASSERT(d8 == 8.0);
	GUEST_ASSERT_EQ(get_current_el(), 2);
	GUEST_DONE();
}

static int run_row(unsigned int n, const char **reason)
{
	const struct s2_geometry *geo = rows[n].geo.page_shift ? &rows[n].geo : NULL;
	struct nested_env env;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct ucall uc;
	int ret;

	vm = nested_vm_create(1, l1_code, &vcpu);
	*reason = geo ? s2_geometry_missing(geo) : NULL;
	if (*reason)
		return NESTED_SKIP;

	nested_env_create(&env, vm, geo);
	vcpu_args_set(vcpu, 1, nested_env_add_l2(&env, l2_code));
	nested_env_finish(&env);

	ret = nested_run_vcpu(vcpu, &uc, reason);
	if (ret != NESTED_SYNC || !nested_check("stage", uc.args[1], SYNC_FROM_L2, ~0UL))
		return ret == NESTED_SYNC ? NESTED_FAIL : ret;
	ret = nested_run_vcpu(vcpu, &uc, reason);
	kvm_vm_free(vm);

	return ret;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_hello",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row,
	};

	return nested_main(argc, argv, &suite);
}
