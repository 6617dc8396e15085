/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Library for tests in which the guest is a hypervisor (L1) with a guest of its own (L2).
 *
 * L1 runs at virtual EL2 in host context (HCR_EL2.{E2H,TGE} = {1,1}), L2 at EL1. "Nested IPA" is an
 * L2 physical address, "GPA" an L1 physical address (KVM's IPA). The two are never equal.
 *
 * Parts, to be used together or alone:
 *  - struct nested_mem: L1 memory that is contiguous both in L1's VA and PA;
 *  - struct s2_mmu: L1's stage-2 tables for one L2: any granule, input size, start level,
 *    endianness, and the formats for 52-bit addresses;
 *  - struct l2_vcpu: L2's registers, l2_enter() and the syndrome of the exit;
 *  - struct nested_env: an L2 that runs C code of the test, at the test's own addresses;
 *  - nested_main(): rows of a table as KTAP, each in a process of its own.
 *
 * The table builders run in L1 and on the host side alike; what is for one of them says so. There
 * is no locking: each object belongs to one L1 vCPU, or the test orders the accesses.
 */
#ifndef SELFTEST_KVM_ARM64_NESTED_H
#define SELFTEST_KVM_ARM64_NESTED_H

#include "kvm_util.h"
#include "processor.h"
#include "ucall_common.h"

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/sizes.h>

/* 1 where L1 runs at EL2 of the machine itself, without KVM: tools/testing/kvm-nested/bare. */
#ifndef NESTED_BARE
#define NESTED_BARE		0
#endif

/* Stage-2 descriptors. The address is for s2_desc_pa() and s2_pa_desc(), it has several formats. */
#define S2_DESC_VALID		BIT(0)
#define S2_DESC_TABLE		BIT(1)	/* levels < 3: next table, else block */
#define S2_DESC_PAGE		BIT(1)	/* level 3: page, else reserved */
#define S2_DESC_MEMATTR		GENMASK(5, 2)
#define S2_DESC_S2AP_R		BIT(6)
#define S2_DESC_S2AP_W		BIT(7)
#define S2_DESC_SH		GENMASK(9, 8)
#define S2_DESC_AF		BIT(10)
#define S2_DESC_ADDR		GENMASK(47, 12)
#define S2_DESC_DBM		BIT(51)
#define S2_DESC_CONTIG		BIT(52)
#define S2_DESC_XN		GENMASK(54, 53)
/* XN[1:0] as FEAT_XNX reads it; without it only bit 54 counts. */
#define S2_DESC_XN_EL0_ONLY	(UL(1) << 53)
#define S2_DESC_XN_ALL		(UL(2) << 53)
#define S2_DESC_XN_EL1_ONLY	(UL(3) << 53)

/* Normal write-back, inner shareable, readable, writable, executable, young. */
#define S2_ATTR_DEFAULT		(S2_DESC_MEMATTR | S2_DESC_SH | S2_DESC_S2AP_R |	\
				 S2_DESC_S2AP_W | S2_DESC_AF)

#define VTTBR_EL2_VMID_MASK	GENMASK(63, 48)
#define VTTBR_EL2_BADDR_MASK	GENMASK(47, 1)

/**
 * struct nested_mem - L1 memory at a constant distance between VA and PA
 * @gva: first address in L1's VA space
 * @gpa: first address in L1's PA space
 * @size: bytes
 * @used: bytes that nested_alloc() gave away
 * @va: pointer to its first byte, for whoever has this copy of the struct: L1 or the host side
 */
struct nested_mem {
	gva_t gva;
	gpa_t gpa;
	u64 size;
	u64 used;
	void *va;
};

void nested_mem_create(struct kvm_vm *vm, struct nested_mem *mem, u32 slot, u32 flags);
void nested_mem_sync(struct kvm_vm *vm, const struct nested_mem *mem, gva_t copy);
void *nested_alloc(struct nested_mem *mem, u64 size, u64 align);
void *nested_va(const struct nested_mem *mem, gpa_t gpa);
gpa_t nested_pa(const struct nested_mem *mem, const void *va);
void nested_sync_cache(const void *va, u64 size);

/**
 * struct s2_geometry - the shape of a stage-2 translation
 * @page_shift: 12, 14 or 16
 * @ia_bits: input size, 64 - VTCR_EL2.T0SZ
 * @start: start level, -1..3
 * @pa_bits: output size, VTCR_EL2.PS; 0: the VM's
 * @large: descriptors and VTTBR_EL2 hold 52-bit addresses: VTCR_EL2.DS (4K, 16K), or PS of 52
 *	   bits (64K)
 */
struct s2_geometry {
	u8 page_shift;
	u8 ia_bits;
	s8 start;
	u8 pa_bits;
	bool large;
};

/**
 * struct s2_mmu - L1's stage 2 for one L2
 * @mem: where the tables come from
 * @geo: its shape
 * @vtcr: value for VTCR_EL2; a test may spoil it
 * @vttbr: value for VTTBR_EL2; a test may spoil it
 * @root: GPA of the (concatenated) start table
 * @be: tables are big-endian; set it before the first entry is made
 */
struct s2_mmu {
	struct nested_mem *mem;
	struct s2_geometry geo;
	u64 vtcr;
	u64 vttbr;
	gpa_t root;
	bool be;
};

unsigned int s2_level_shift(const struct s2_geometry *geo, int level);
unsigned int s2_contig_shift(const struct s2_geometry *geo, int level);
u64 s2_root_size(const struct s2_geometry *geo);
u64 s2_vtcr(const struct s2_geometry *geo);
bool s2_granule_supported(unsigned int page_shift);
bool s2_granule_large(unsigned int page_shift);
struct s2_geometry s2_default_geometry(void);
const char *s2_geometry_missing(const struct s2_geometry *geo);
unsigned int nested_pa_bits(void);
u64 nested_mmfr0(void);

u64 s2_pa_desc(const struct s2_geometry *geo, gpa_t pa);
gpa_t s2_desc_pa(const struct s2_geometry *geo, u64 desc);
u64 s2_vttbr(const struct s2_geometry *geo, gpa_t root, u16 vmid);

void s2_init(struct s2_mmu *s2, struct nested_mem *mem, const struct s2_geometry *geo, u16 vmid);
u64 *s2_desc(struct s2_mmu *s2, u64 ipa, int level);
u64 s2_read(const struct s2_mmu *s2, const u64 *desc);
void s2_write(const struct s2_mmu *s2, u64 *desc, u64 val);
void s2_map(struct s2_mmu *s2, u64 ipa, gpa_t pa, u64 size, int level, u64 attrs);
void s2_tlbi_vmalls12e1is(const struct s2_mmu *s2);

/**
 * s2_tlbi() - a TLB maintenance instruction of L1, for an L2
 * @s2: stage 2 of the L2, or NULL to leave VTTBR_EL2 and VTCR_EL2 alone
 * @op: OP_TLBI_*, a constant
 * @operand: its operand; see s2_tlbi_ipa() and s2_tlbi_range()
 *
 * HCR_EL2.TGE is cleared for it: with {E2H,TGE} = {1,1} several EL1 TLB maintenance instructions
 * mean EL2&0. Barriers before and after are included: when it returns, nothing is stale.
 */
#define s2_tlbi(s2, op, operand)					\
do {									\
	u64 __hcr = s2_tlbi_begin(s2);					\
									\
	write_sysreg_s(operand, op);					\
	s2_tlbi_end(__hcr);						\
} while (0)

u64 s2_tlbi_begin(const struct s2_mmu *s2);
void s2_tlbi_end(u64 hcr);

/* Operand of TLBI IPAS2*: TTL is 0, or 4 * {1, 2, 3 for 4K, 16K, 64K} + level. */
static inline u64 s2_tlbi_ipa(u64 ipa, unsigned int ttl)
{
	return (u64)ttl << 44 | FIELD_GET(GENMASK(51, 12), ipa);
}

u64 s2_tlbi_ttl(const struct s2_geometry *geo, int level);
u64 s2_tlbi_range(const struct s2_geometry *geo, u64 ipa, u64 pages, unsigned int ttl);

/**
 * struct l2_exit - why L2 came back to L1
 * @vector: VECTOR_{SYNC,IRQ,FIQ,ERROR}_LOWER_64
 * @esr: ESR_EL2
 * @far: FAR_EL2
 * @hpfar: HPFAR_EL2
 * @elr: ELR_EL2
 * @spsr: SPSR_EL2
 *
 * The registers are as read, also where the kind of exit leaves them UNKNOWN.
 */
struct l2_exit {
	u64 vector;
	u64 esr;
	u64 far;
	u64 hpfar;
	u64 elr;
	u64 spsr;
};

/**
 * struct l2_abort - an abort of L2, decoded
 * @fsc: fault status code, ESR_ELx_FSC_*_L(level)
 * @insn: of an instruction fetch
 * @write: WnR
 * @s1ptw: on a stage-1 walk
 * @cm: of cache maintenance (or AT)
 * @va: FAR_EL2
 * @ipa: HPFAR_EL2's page and, unless @s1ptw, FAR_EL2's offset in 4K
 */
struct l2_abort {
	u8 fsc;
	bool insn;
	bool write;
	bool s1ptw;
	bool cm;
	u64 va;
	u64 ipa;
};

bool l2_decode_abort(const struct l2_exit *exit, struct l2_abort *abort);
bool l2_exit_is_hvc(const struct l2_exit *exit, u16 imm);

/**
 * struct l2_vcpu - L2's state and the controls that L1 runs it with
 * @regs: x0-x30; updated at each exit
 * @pc: where to enter; updated at each exit
 * @pstate: PSTATE to enter with; updated at each exit
 * @hcr: HCR_EL2 while L2 runs
 * @s2: stage 2; VTCR_EL2 and VTTBR_EL2 are taken from here at each entry
 * @sctlr: SCTLR_EL1; read back at each exit, likewise the rest
 * @tcr: TCR_EL1
 * @mair: MAIR_EL1
 * @ttbr0: TTBR0_EL1
 * @vbar: VBAR_EL1
 * @cpacr: CPACR_EL1
 * @sp: SP_EL1
 * @sp_el0: SP_EL0
 * @elr_el1: ELR_EL1
 * @spsr_el1: SPSR_EL1
 * @esr_el1: ESR_EL1
 * @far_el1: FAR_EL1
 * @exit: filled by l2_enter()
 *
 * FP registers are not switched: L2 has those of L1, and may spoil those that a function call may.
 */
struct l2_vcpu {
	u64 regs[31];
	u64 pc;
	u64 pstate;
	u64 hcr;
	struct s2_mmu *s2;
	u64 sctlr;
	u64 tcr;
	u64 mair;
	u64 ttbr0;
	u64 vbar;
	u64 cpacr;
	u64 sp;
	u64 sp_el0;
	u64 elr_el1;
	u64 spsr_el1;
	u64 esr_el1;
	u64 far_el1;
	struct l2_exit exit;
};

/* PSTATE that l2_init() gives L2: EL1 with its own stack pointer; D, A, I, F masked. */
#define L2_PSTATE	(GENMASK(9, 6) | 5)
#define L2_PSTATE_EL0	GENMASK(9, 6)

#define L2_HCR_DEFAULT	(HCR_EL2_E2H | HCR_EL2_RW | HCR_EL2_VM |	\
			 HCR_EL2_IMO | HCR_EL2_FMO | HCR_EL2_AMO)

/*
 * L2's code for an L2 with its MMU off, or with an odd stage 1: position independent. Each stub
 * ends in HVC #L2_HVC_DONE; at EL0, where that is undefined, in HVC #(L2_HVC_VECTOR + 8).
 */
enum l2_stub {
	L2_STUB_LOAD,		/* x1 = [x0] */
	L2_STUB_STORE,		/* [x0] = x2 */
	L2_STUB_LOAD_STORE,	/* x1 = [x0], then [x0] = x2 */
	L2_STUB_LOAD_BETWEEN,	/* x3 = [x4], x1 = [x0], x3 = [x4] */
	L2_STUB_EXEC,		/* branch to x0, where HVC #L2_HVC_DONE is expected */
	L2_STUB_ATOMIC,		/* x1 = [x0], [x0] += x2: one LDADD */
	L2_STUB_DC_CIVAC,	/* DC CIVAC, x0 */
	L2_STUB_DC_IVAC,	/* DC IVAC, x0 */
	L2_STUB_DC_ZVA,		/* DC ZVA, x0 */
	L2_STUB_IC_IVAU,	/* IC IVAU, x0 */
	L2_STUB_STORE_BETWEEN,	/* x3 = [x4], [x0] = x2, x3 = [x4] */
	L2_STUB_NR
};

#define L2_HVC_DONE	0
#define L2_HVC_CALL	1	/* l2_hvc() */
#define L2_HVC_VECTOR	0x100	/* + n: L2 took an exception to its own EL1, vector n */
#define L2_INSN_DONE	0xd4000002	/* HVC #0 */

u64 l2_stubs_install(void *dst, u64 size);
u64 l2_stub_offset(enum l2_stub stub);

void nested_init_handlers(struct kvm_vm *vm, struct kvm_vcpu *vcpu);
void l2_init(struct l2_vcpu *l2, struct s2_mmu *s2, u64 stubs);
void l2_enter(struct l2_vcpu *l2);

/**
 * l2_hvc() - from L2's C code to L1, and back when L1 enters L2 again
 * @arg: for L1, in x0
 *
 * Return: what L1 has left in x0.
 */
static inline u64 l2_hvc(u64 arg)
{
	register u64 x0 asm("x0") = arg;

	asm volatile("hvc	#" __stringify(L2_HVC_CALL) : "+r" (x0) : : "memory");
	return x0;
}

/**
 * struct nested_env - an L2 that runs the test's C code
 * @vm: the VM
 * @mem: L1 memory for tables, in a memslot of its own; the host side's copy
 * @s2: stage 2, of which vm->stage2_mmu has the root; the host side's pointer
 * @s2_gva: L1's pointer to it
 * @s1_root: GPA of L2's stage-1 tables
 *
 * L2 has its MMU on. It sees the test's program, data and heap at the same VAs as L1, at nested
 * IPAs that are NESTED_IPA_OFFSET above the GPAs, and can make ucalls, which go to userspace past
 * L1. @s2 is in guest memory: what L1 changes of it the host side sees, and the other way round.
 */
struct nested_env {
	struct kvm_vm *vm;
	struct nested_mem mem;
	struct s2_mmu *s2;
	gva_t s2_gva;
	gpa_t s1_root;
};

#define NESTED_IPA_OFFSET	BIT(36)
#define NESTED_ENV_GPA		SZ_1G
#define NESTED_ENV_GVA		0x3000000000UL
#define NESTED_ENV_SIZE		SZ_16M
#define NESTED_ENV_SLOT		20
#define NESTED_ENV_VMID		1

/* TCR_EL2 with HCR_EL2.E2H = 0, but for T0SZ and PS (here 40 bits): RES1 bits, pages of 4K. */
#define NESTED_TCR_EL2_E2H0	(BIT(31) | BIT(23) | 2UL << 16 |	\
				 TCR_SH0_INNER | TCR_ORGN0_WBWA | TCR_IRGN0_WBWA)

struct kvm_vm *nested_vm_create(u32 nr_vcpus, void *l1_entry, struct kvm_vcpu *vcpus[]);
struct kvm_vm *nested_vm_create_mode(enum vm_guest_mode mode, u32 nr_vcpus, void *l1_entry,
				     struct kvm_vcpu *vcpus[]);
struct kvm_vm *nested_vm_add_vcpus(struct kvm_vm *vm, u32 nr_vcpus, void *l1_entry,
				   struct kvm_vcpu *vcpus[]);
struct kvm_vm *nested_vm_create_e2h0(void *l1_entry, struct kvm_vcpu **vcpu);
void nested_env_create(struct nested_env *env, struct kvm_vm *vm, const struct s2_geometry *geo);
gva_t nested_env_add_l2(struct nested_env *env, void *l2_entry);
void nested_env_map_s1(struct nested_env *env, gva_t va, u64 ipa, u64 size, u64 attrs);
gva_t nested_env_s1_desc(struct nested_env *env, gva_t va);
void nested_env_map_s2(struct nested_env *env, gpa_t gpa, u64 size);
void nested_env_finish(struct nested_env *env);

/* Result of a row, and of nested_run_vcpu(); KSFT_* where there is one. */
#define NESTED_PASS	0
#define NESTED_FAIL	1
#define NESTED_SKIP	4
#define NESTED_SYNC	100	/* a ucall of the test's */
#define NESTED_EXIT	101	/* another exit to userspace: see vcpu->run */

/**
 * struct nested_suite - the rows of a test
 * @name: of the test, for the help text
 * @nr_rows: how many rows there are
 * @row_size: size of one, if they are structures which begin with a const char * description
 * @rows: the rows
 * @desc: description of row n, instead of @rows
 * @run: run row n, in a process of its own; NESTED_PASS, NESTED_FAIL, or NESTED_SKIP with *reason
 *	 set to a static string
 * @timeout_s: seconds that a row may take; 0 is the default
 */
struct nested_suite {
	const char *name;
	unsigned int nr_rows;
	size_t row_size;
	const void *rows;
	const char *(*desc)(unsigned int n);
	int (*run)(unsigned int n, const char **reason);
	unsigned int timeout_s;
};

int nested_main(int argc, char *argv[], const struct nested_suite *suite);
u64 nested_seed(void);
bool nested_check(const char *what, u64 got, u64 want, u64 mask);
int nested_run_vcpu(struct kvm_vcpu *vcpu, struct ucall *uc, const char **reason);
unsigned int nested_nr_cpus(void);
void nested_pin_self(unsigned int n);

/**
 * struct l2_access - a 64-bit access of L2's that the host side asks for
 * @va: where
 * @value: to be stored, or loaded
 * @write: store
 */
struct l2_access {
	u64 va;
	u64 value;
	u64 write;
};

/* What became of it. The access is pending in all cases but NESTED_ACCESS_DONE. */
enum nested_access {
	NESTED_ACCESS_DONE,
	NESTED_ACCESS_MMIO,	/* KVM_EXIT_MMIO: see vcpu->run */
	NESTED_ACCESS_EFAULT,	/* KVM_RUN failed with EFAULT */
	NESTED_ACCESS_L1,	/* exit to L1, in uc: ESR_EL2, FAR_EL2, HPFAR_EL2 from args[2] */
	NESTED_ACCESS_FAILED,	/* something else, which has been printed */
};

#define NESTED_SYNC_ACCESS	0x41434345UL
#define NESTED_SYNC_L1_EXIT	0x4c314558UL

void l1_serve(struct l2_vcpu *l2);
void l2_serve(struct l2_access *access);
enum nested_access nested_access_start(struct kvm_vcpu *vcpu, struct l2_access *access, u64 va,
				       u64 value, bool write, struct ucall *uc);
enum nested_access nested_access_run(struct kvm_vcpu *vcpu, struct ucall *uc);
bool nested_is_huge(const void *addr, size_t size);

/* L1, in the guest: end the row with a reason for not doing it. */
#define NESTED_SYNC_SKIP	0x534b4950UL
#define NESTED_GUEST_SKIP(reason)						\
do {										\
	GUEST_SYNC_ARGS(NESTED_SYNC_SKIP, (u64)(reason), 0, 0, 0);		\
	GUEST_DONE();								\
} while (0)

/* L2's vectors when it runs C code: those of lib/arm64/handlers.S. */
extern const char vectors[];

/* Assembly code of lib/arm64/nested.c. */
void nested_l2_switch(u64 *regs);
extern const char nested_l2_return[], nested_l2_done[];
extern const char nested_l2_stubs[], nested_l2_stubs_end[];
extern const char nested_l2_load[], nested_l2_store[], nested_l2_load_store[];
extern const char nested_l2_load_between[], nested_l2_exec[], nested_l2_atomic[];
extern const char nested_l2_dc_civac[], nested_l2_dc_ivac[], nested_l2_dc_zva[];
extern const char nested_l2_ic_ivau[], nested_l2_store_between[];

#endif /* SELFTEST_KVM_ARM64_NESTED_H */
