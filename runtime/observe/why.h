/* why: one plain sentence that says why a run has not ended, and what has to happen before it moves: by what its
 * journal says (fold), and by what it is doing now (survey). Owns nothing. A pure function of what it is given.
 *
 * `kind` is for programs, and says what has to happen:
 *
 *     attempt     the attempt of `step` ends
 *     computing   its code gets its turn on the loop, or ends what it computes; or another run's code does
 *     retry       `until` comes: then `step` is attempted again
 *     sleep       `until` comes, or a signal that it waits for beside: then it goes on behind `step`, if that is known
 *     signal      somebody sends it that signal, or `until` comes if the wait has a timeout; then it goes on
 *     deadline    `until` comes: then it ends, before what it waits for
 *     commit      entries get to the disk
 *     journal     the journal takes writes, or has room in its queue
 *     stack       another coroutine ends
 *     call        runs that it has called end
 *     place       another run leaves memory (--runs-max)
 *     loading     its journal is read; if it could not go on at `until`
 *     others      other runs get on first, since it may have ended the process
 *     stopped     somebody releases it, or its reason goes away
 *     stopping    attempts under way end; then it stands still
 *     cancelling  its code lets go; then it ends as cancelled
 *     ending      its response gets to the disk
 *     leaving     it leaves memory; then it waits in one of these ways
 *     draining    this process ends; the next one goes on with it */
#ifndef RUNTIME_OBSERVE_WHY_H
#define RUNTIME_OBSERVE_WHY_H

#include "runtime/observe/fold.h"
#include "runtime/run/survey.h"

enum { WHY_TEXT_MAX = 768 };

/* What the sentence is made of. */
typedef struct why_case {
    const survey *now;
    const fold *journal;
    const fold_step *parked; /* as why_parked_step says */
    stop_reason stop;        /* STOP_NONE: it is not stopped, by its journal and program */
    entry_text stop_text;    /* `stop` in words */
    bool has_deadline;
} why_case;

typedef struct why {
    const char *kind;
    char text[WHY_TEXT_MAX]; /* UTF-8 */
    entry_text step;         /* id of the step, sleep or wait that it names; len 0: none */
    uint64_t path;           /* of that */
    entry_text signal;       /* kind signal: the name of the signal; else len 0 */
    int64_t until_ms;        /* Unix; 0: no time is known */
} why;

/* Says why the run, which has not ended, is not finished. */
void why_tell(const why_case *c, why *out);

/* Returns the step, sleep or wait that a parked run waits for first; NULL: there is none, or nobody knows. */
const fold_step *why_parked_step(const survey *now, const fold *journal);

#endif
