/* call_function: one call of a function by a run: sw_call and what a group does for its calls. Owns nothing: the call
 * is an entry of the run, and so is its result; the run that is called is runtime/run/calling.h's until it begins.
 *
 *     asked for --*called*, on disk with the child's start--> open --the child has ended, its letter is here-->
 * *returned*
 *               \--detached: done at once                        \--the run ends: the child is cancelled
 *     done, failed --a replay--> answered by the journal
 *     failed, or open at the end of a run that goes on after it --*reopened*--> open: the child goes on, too
 *     open, and the child that was to go on is gone --its letter is here--> asked for: made again, by another child */
#ifndef RUNTIME_API_CALL_FUNCTION_H
#define RUNTIME_API_CALL_FUNCTION_H

#include "runtime/api/step.h"
#include "storage/entry.h"

typedef struct function_call {
    entry named;              /* path, id, occurrence, branch, began: what its entries have in common */
    const char *branch_label; /* of the context around it */
    const struct endpoint *function;
    sw_value input;
    sw_call_options options;
    uint32_t number;             /* of its entry *called*; 0: it has none so far */
    uint8_t child[RUN_ID_BYTES]; /* with `number` */
    struct run_child *under_way; /* it was called in this execution, and is waited for */
    bool needs_room;             /* its result has come, and is taken when the journal has room for it */
} function_call;

/* What the code asks for. Borrowed. */
typedef struct call_asked {
    const char *called; /* the public function, for people */
    const char *id, *function;
    const sw_call_options *options; /* NULL: none */
    bool is_member;                 /* of a group */
} call_asked;

/* Names the call and finds its path. Fails `c` when it may not call, or there is no such function, or the run has
 * called --children-max already, or is --call-depth-max deep. Suspends while calls before it, or what else is to be
 * journaled, wait for the disk. Borrows the input. */
function_call function_call_prepare(sw_ctx *c, const call_asked *asked, sw_value input);

/* Answers the call from the journal, or makes it. STEP_OPEN: its run is under way. STEP_UNWOUND: the run is lost. */
step_outcome function_call_begin(run *r, function_call *q, sw_value *out, failure *why);

/* The open call has lost: has its run cancelled, once. A run that leaves memory at the same moment does without: the
 * next execution comes here again. */
void function_call_withdraw(run *r, const function_call *q);

/* Takes the result of an open call, if that has come, and the journal has room for it. STEP_OPEN: it has not come, or
 * q->needs_room; *is_coming: it is not known yet whether it has come. Never suspends. */
step_outcome function_call_look(run *r, function_call *q, bool *is_coming, sw_value *out, failure *why);

#endif
