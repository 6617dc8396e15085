// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console, as much of stdio as the tests need, and rows as KTAP.
 *
 * On a host a row has a process of its own. Here it begins with the test's
 * variables as main() left them.
 *
 * No locking: one CPU.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall_common.h"

#define UART_DR			((void *)0x09000000)
#define PSCI_SYSTEM_OFF		0x84000008

#define TEXT_SIZE		2048
#define STRINGS_SIZE		SZ_64K
#define TEST_DATA_SIZE		SZ_256K

static char strings[STRINGS_SIZE];
static size_t strings_used;
static char test_data[TEST_DATA_SIZE];

FILE *stdout;

int vprintf(const char *fmt, va_list ap)
{
	static char text[TEXT_SIZE];
	char *c;

	guest_vsnprintf(text, sizeof(text), fmt, ap);
	for (c = text; *c; c++)
		writel_relaxed(*c, UART_DR);
	return 0;
}

int printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	return 0;
}

int vfprintf(FILE *f, const char *fmt, va_list ap)
{
	return vprintf(fmt, ap);
}

int snprintf(char *s, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = guest_vsnprintf(s, size, fmt, ap);
	va_end(ap);
	return len;
}

/* They stay for ever. */
int asprintf(char **s, const char *fmt, ...)
{
	va_list ap;
	int len;

	*s = strings + strings_used;
	va_start(ap, fmt);
	len = guest_vsnprintf(*s, STRINGS_SIZE - strings_used, fmt, ap);
	va_end(ap);
	strings_used += len + 1;
	return len;
}

int fflush(FILE *f)
{
	return 0;
}

int *__errno_location(void)
{
	static int no_errno;

	return &no_errno;
}

char *strerror(int error)
{
	return "no errno here";
}

char *getenv(const char *name)
{
	return NULL;
}

void exit(int status)
{
	struct arm_smccc_res res;

	printf("# status %d\n", status);
	smccc_smc(PSCI_SYSTEM_OFF, 0, 0, 0, 0, 0, 0, 0, &res);
	for (;;)
		wfi();
}

void test_assert(bool exp, const char *exp_str, const char *file, unsigned int line,
		 const char *fmt, ...)
{
	va_list ap;

	if (exp)
		return;
	printf("Bail out! %s:%u: %s: ", file, line, exp_str);
	va_start(ap, fmt);
	vprintf(fmt ?: "", ap);
	va_end(ap);
	printf("\n");
	exit(KSFT_FAIL);
}

void bare_no_host(const char *what)
{
	TEST_FAIL("%s() is for a row that needs a host, and is to be skipped", what);
}

u64 nested_seed(void)
{
	return 1;
}

unsigned int nested_nr_cpus(void)
{
	return 1;
}

static int run_row(const struct nested_suite *suite, unsigned int n)
{
	const char *desc, *reason = "";
	int ret;

	memcpy(bare_test_data, test_data, bare_test_data_end - bare_test_data);
	ret = suite->run(n, &reason);
	desc = suite->desc ? suite->desc(n) :
	       *(const char **)((const char *)suite->rows + n * suite->row_size);
	if (ret == NESTED_SKIP)
		printf("ok %u # SKIP %s: %s\n", n + 1, desc, reason);
	else
		printf("%s %u %s\n", ret ? "not ok" : "ok", n + 1, desc);

	return ret;
}

int nested_main(int argc, char *argv[], const struct nested_suite *suite)
{
	size_t size = bare_test_data_end - bare_test_data;
	unsigned int n, failed = 0;
	int ret;

	TEST_ASSERT(size <= TEST_DATA_SIZE, "the test has %lu bytes of variables", size);
	memcpy(test_data, bare_test_data, size);

	printf("TAP version 13\n1..%u\n", suite->nr_rows);
	for (n = 0; n < suite->nr_rows; n++) {
		ret = run_row(suite, n);
		failed += ret != NESTED_PASS && ret != NESTED_SKIP;
	}

	return failed ? KSFT_FAIL : KSFT_PASS;
}
