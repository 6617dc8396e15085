/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested virtualization: encoders of fault records. Pure; the only place in
 * the subsystem where a fault becomes a syndrome.
 */
#ifndef __ARM64_KVM_NESTED_FAULT_H
#define __ARM64_KVM_NESTED_FAULT_H

#include "walk.h"

u8 kvm_fault_fsc(const struct kvm_walk_fault *fault);
u64 kvm_fault_esr(const struct kvm_walk_fault *fault, u64 hw_esr);
u64 kvm_fault_hpfar(u64 ipa);
u64 kvm_fault_par(const struct kvm_walk_fault *fault);

#endif /* __ARM64_KVM_NESTED_FAULT_H */
