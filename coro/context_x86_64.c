#include "coro/context.h"

#include <stdint.h>
#include <string.h>

/* System V ABI, AMD64 supplement 1.0, section 3.2.1: a callee keeps rbx, rbp, r12 to r15, the control bits of mxcsr
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
        "    pushq %rbp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %rbp, 0\n"
        "    pushq %rbx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %r15\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %r14\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %r13\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %r12\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq (%rsi), %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r12\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r13\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r14\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r15\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rbx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rbp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore %rbp\n"
        /* Not ret: the return predictor would expect the place that the call came from. */
        "    popq %r8\n"
        "    .cfi_adjust_cfa_offset -8\n"
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

void context_make(context *c, void *low, void *high, void (*entry)(void *arg), void *arg)
{
    (void)low;
    uintptr_t top = (uintptr_t)high & ~(uintptr_t)15;
    uint64_t *sp = (uint64_t *)top - 8;
    uint32_t mxcsr;
    uint16_t x87;
    __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    memset(sp, 0, 8 * sizeof *sp);
    sp[0] = mxcsr | (uint64_t)x87 << 32;
    sp[1] = (uint64_t)(uintptr_t)entry; /* r12 */
    sp[2] = (uint64_t)(uintptr_t)arg;   /* r13 */
    sp[7] = (uint64_t)(uintptr_t)context_entry;
    c->sp = sp;
}
