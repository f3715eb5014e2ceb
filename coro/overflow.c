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

static struct sigaction before_segv, before_bus; /* what was installed before */
static __thread void *signal_stack;              /* this thread's, mmap'd */

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* nothing is left to do about it */
}

static void say_number(size_t n)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    say(digits + at);
}

void overflow_report(const coro *co)
{
    const char *label = coro_label(co);
    say("stack overflow in ");
    say(label ? label : "a coroutine");
    say(": its stack of ");
    say_number(coro_stack_bytes(co) / 1024);
    say(" KiB is used up; put large objects in sw_alloc memory, recurse less deeply, or raise --stack-size\n");
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    const coro *co = coro_current();
    if (co && coro_overflowed(co, info->si_addr)) overflow_report(co);
    /* The fault happens again when this returns, and then meets what was installed before. */
    (void)sigaction(number, number == SIGSEGV ? &before_segv : &before_bus, NULL);
}

void overflow_install(void)
{
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigemptyset(&a.sa_mask);
    (void)sigaction(SIGSEGV, &a, &before_segv);
    (void)sigaction(SIGBUS, &a, &before_bus);
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
    if (!signal_stack) return;
    stack_t off = {.ss_flags = SS_DISABLE};
    (void)sigaltstack(&off, NULL);
    (void)munmap(signal_stack, SIGNAL_STACK_BYTES);
    signal_stack = NULL;
}
