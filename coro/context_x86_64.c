#include "coro/context.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* System V ABI, AMD64 supplement 1.0, section 3.2.1: a callee preserves rbx, rbp, r12 to r15, the control bits of mxcsr
 * and the x87 control word. A saved context is, from sp upwards: mxcsr and x87 control word, r12, r13, r14, r15, rbx,
 * rbp, return address. A new one returns into context_entry, whose undefined return address ends every backtrace. */
__asm__(".text\n"
        ".globl context_switch\n"
        ".hidden context_switch\n"
        ".type context_switch, @function\n"
        ".p2align 4\n"
        "context_switch:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    leaq -56(%rsp), %rsp\n"
        "    .cfi_adjust_cfa_offset 56\n"
        "    movq %rbp, 48(%rsp)\n"
        "    .cfi_rel_offset %rbp, 48\n"
        "    movq %rbx, 40(%rsp)\n"
        "    movq %r15, 32(%rsp)\n"
        "    movq %r14, 24(%rsp)\n"
        "    movq %r13, 16(%rsp)\n"
        "    movq %r12, 8(%rsp)\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq (%rsi), %rsp\n"
        /* Not ret: the return predictor would expect the address behind the last call. */
        "    movq 56(%rsp), %r8\n"
        "    movq 48(%rsp), %rbp\n"
        "    movq 40(%rsp), %rbx\n"
        "    movq 32(%rsp), %r15\n"
        "    movq 24(%rsp), %r14\n"
        "    movq 16(%rsp), %r13\n"
        "    movq 8(%rsp), %r12\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    leaq 64(%rsp), %rsp\n"
        "    .cfi_adjust_cfa_offset -64\n"
        "    .cfi_restore %rbp\n"
        "    .cfi_register %rip, %r8\n"
        "    jmpq *%r8\n"
        "    .cfi_endproc\n"
        ".size context_switch, . - context_switch\n"
        ".type context_entry, @function\n"
        ".p2align 4\n"
        "context_entry:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined %rip\n"
        "    endbr64\n"
        "    movq %r13, %rdi\n"
        "    callq *%r12\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size context_entry, . - context_entry\n");

extern char context_entry[] __attribute__((visibility("hidden")));

enum { CONTEXT_WORDS = 8 };
_Static_assert(CONTEXT_WORDS * sizeof(uint64_t) % 16 == 0, "context_entry begins with an aligned stack");
_Static_assert(sizeof(void (*)(void *)) == sizeof(uint64_t) && sizeof(void *) == sizeof(uint64_t), "a register each");

void context_make(context *c, void *low, void *high, void (*entry)(void *arg), void *arg)
{
    uintptr_t top = (uintptr_t)high & ~(uintptr_t)15;
    uint64_t *sp = (uint64_t *)top - CONTEXT_WORDS;
    assert(entry);
    assert((char *)low < (char *)sp);
    uint32_t mxcsr;
    uint16_t x87;
    __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    memset(sp, 0, CONTEXT_WORDS * sizeof *sp);
    sp[0] = mxcsr | (uint64_t)x87 << 32;
    sp[1] = (uint64_t)(uintptr_t)entry; /* r12 */
    sp[2] = (uint64_t)(uintptr_t)arg;   /* r13 */
    sp[7] = (uint64_t)(uintptr_t)context_entry;
    c->sp = sp;
}
