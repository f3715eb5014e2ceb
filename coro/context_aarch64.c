#include "coro/context.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* AAPCS64 2023Q3, section 6.1: a callee preserves x19 to x29, sp, the low halves of v8 to v15, and fpcr. A saved
 * context is, from sp upwards: d8 to d15, x19 to x28, x29 and x30, fpcr. A new one returns into context_entry. */
__asm__(".text\n"
        ".globl context_switch\n"
        ".hidden context_switch\n"
        ".type context_switch, %function\n"
        ".p2align 4\n"
        "context_switch:\n"
        "    .cfi_startproc\n"
        "    hint #34\n"
        "    sub sp, sp, #176\n"
        "    .cfi_adjust_cfa_offset 176\n"
        "    stp d8, d9, [sp, #0]\n"
        "    stp d10, d11, [sp, #16]\n"
        "    stp d12, d13, [sp, #32]\n"
        "    stp d14, d15, [sp, #48]\n"
        "    stp x19, x20, [sp, #64]\n"
        "    stp x21, x22, [sp, #80]\n"
        "    stp x23, x24, [sp, #96]\n"
        "    stp x25, x26, [sp, #112]\n"
        "    stp x27, x28, [sp, #128]\n"
        "    stp x29, x30, [sp, #144]\n"
        "    .cfi_rel_offset x29, 144\n"
        "    .cfi_rel_offset x30, 152\n"
        "    mrs x9, fpcr\n"
        "    str x9, [sp, #160]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    ldr x9, [x1]\n"
        "    mov sp, x9\n"
        "    ldr x9, [sp, #160]\n"
        "    msr fpcr, x9\n"
        "    ldp d8, d9, [sp, #0]\n"
        "    ldp d10, d11, [sp, #16]\n"
        "    ldp d12, d13, [sp, #32]\n"
        "    ldp d14, d15, [sp, #48]\n"
        "    ldp x19, x20, [sp, #64]\n"
        "    ldp x21, x22, [sp, #80]\n"
        "    ldp x23, x24, [sp, #96]\n"
        "    ldp x25, x26, [sp, #112]\n"
        "    ldp x27, x28, [sp, #128]\n"
        "    ldp x29, x30, [sp, #144]\n"
        "    add sp, sp, #176\n"
        "    .cfi_adjust_cfa_offset -176\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size context_switch, . - context_switch\n"
        ".type context_entry, %function\n"
        ".p2align 4\n"
        "context_entry:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    hint #36\n"
        "    mov x0, x20\n"
        "    blr x19\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size context_entry, . - context_entry\n");

extern char context_entry[] __attribute__((visibility("hidden")));

enum { CONTEXT_BYTES = 176 };
_Static_assert(CONTEXT_BYTES % 16 == 0, "sp is a multiple of 16 at every access (AAPCS64, 6.4.5.1)");
_Static_assert(sizeof(void (*)(void *)) == sizeof(uint64_t) && sizeof(void *) == sizeof(uint64_t), "a register each");

void context_make(context *c, void *low, void *high, void (*entry)(void *arg), void *arg)
{
    uintptr_t top = (uintptr_t)high & ~(uintptr_t)15;
    uint64_t *sp = (uint64_t *)(top - CONTEXT_BYTES);
    uint64_t fpcr;
    assert(entry);
    assert((char *)low < (char *)sp);
    __asm__("mrs %0, fpcr" : "=r"(fpcr));
    memset(sp, 0, CONTEXT_BYTES);
    sp[8] = (uint64_t)(uintptr_t)entry; /* x19 */
    sp[9] = (uint64_t)(uintptr_t)arg;   /* x20 */
    sp[19] = (uint64_t)(uintptr_t)context_entry;
    sp[20] = fpcr;
    c->sp = sp;
}
