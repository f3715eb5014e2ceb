#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coro/coro_impl.h"
#include "coro/stack.h"

enum { SIGNAL_STACK_BYTES = 65536 };

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static struct sigaction before[SIGNALS];       /* the handlers that were there before overflow_install */
static void (*tell_end)(int number, bool own); /* on_end of overflow_install */
static __thread void *signal_stack;            /* this thread's, mmap'd; NULL outside enter and leave */

static void report_text(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* where standard error cannot be written, nobody can be told */
}

static void report_number(size_t n)
{
    char digits[24];
    _Static_assert(sizeof(size_t) <= 8 && sizeof digits > 20, "2^64 has 20 digits");
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    report_text(digits + at);
}

void overflow_report(const coro *co)
{
    const char *label = coro_label(co);
    report_text("stack overflow in ");
    report_text(label ? label : "a coroutine");
    report_text(": its stack of ");
    report_number(coro_stack_bytes(co) / 1024);
    report_text(" KiB is used up; put large objects in sw_alloc memory, recurse less deeply, or raise --stack-size\n");
}

/* True: this process brought the signal on itself. A kill from another process says nothing of what this one did. */
static bool signal_is_own(const siginfo_t *info) { return info->si_code > 0 || info->si_pid == getpid(); }

static void overflow_on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    const coro *co = coro_current();
    bool is_fault = info->si_code > 0 && number != SIGSYS;
    if (co && (number == SIGSEGV || number == SIGBUS) && is_fault && coro_overflowed(co, info->si_addr))
        overflow_report(co);
    if (tell_end) tell_end(number, signal_is_own(info));
    for (int i = 0; i < SIGNALS; i++)
        if (signals[i] == number) (void)sigaction(number, &before[i], NULL);
    /* A fault happens again when this handler returns, and then meets the handler of before; other signals come once.
     */
    if (!is_fault) (void)raise(number);
}

void overflow_install(void (*on_end)(int number, bool own))
{
    struct sigaction a = {.sa_sigaction = overflow_on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    tell_end = on_end;
    (void)sigemptyset(&a.sa_mask);
    for (int i = 0; i < SIGNALS; i++) (void)sigaction(signals[i], &a, &before[i]);
}

bool overflow_thread_enter(void)
{
    assert(!signal_stack);
    void *p = mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return false;
    stack_t s = {.ss_sp = p, .ss_size = SIGNAL_STACK_BYTES};
    if (sigaltstack(&s, NULL) != 0) {
        (void)munmap(p, SIGNAL_STACK_BYTES);
        return false;
    }
    signal_stack = p;
    return true;
}

void overflow_thread_leave(void)
{
    if (!signal_stack) return; /* overflow_thread_enter has failed */
    assert(!coro_current());
    stack_t off = {.ss_flags = SS_DISABLE};
    (void)sigaltstack(&off, NULL);
    (void)munmap(signal_stack, SIGNAL_STACK_BYTES);
    signal_stack = NULL;
}
