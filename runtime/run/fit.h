/* fit: whether what a run's journal has is what the code now asks for: other ids at a path, or another input of a step,
 * show that the program has changed. Owns nothing; its texts are in the run's arena. */
#ifndef RUNTIME_RUN_FIT_H
#define RUNTIME_RUN_FIT_H

#include "runtime/run/replay.h"
#include "runtime/run/run.h"

struct step_spec;

/* Returns the journal's record of a path and marks it used; NULL: there is none, or the run began here. */
replay_record *fit_find(run *r, uint64_t path);

/* Whether a member of a group with this path has lost, as the journal says: nothing of it begins any more. */
bool fit_has_lost(const run *r, uint64_t path);
/* Likewise of one that the context adds to a group, or that context has lost: if it is new, nothing of it may begin. */
bool fit_member_has_lost(const sw_ctx *c, uint64_t path);

/* Whether the record, which was found by its path, is of that kind and id: a path is a hash, and the program may have
 * changed. */
bool fit_is(const replay_record *rec, entry_kind kind, const char *id, uint32_t occurrence);
bool fit_is_step(run *r, const replay_record *rec, const struct step_spec *spec);

/* Deals with a record that does not fit: the journal has `rec` where the code now has `what` (a word for people) called
 * `id`. Stops the run if its endpoint has on_difference SW_STOP. Returns the failure to raise: an unwind then, else a
 * fatal one. */
failure fit_misfit(run *r, const replay_record *rec, const char *what, const char *id);
/* Whether the journal says that the wait or sleep of this path was given up. */
bool fit_was_given_up(run *r, uint64_t path);
/* Whether the wait or sleep, which the journal has, begins anew: it was given up for a failure that counts no more, or
 * the code wants it now where it was a member of a group. It is the code's to begin it. */
bool fit_begins_anew(const replay_record *rec, bool is_member);
/* Likewise of a member that was given up, in a group of which the code now waits for all. */
failure fit_misfit_given_up(run *r, uint64_t path, const char *id);

/* Deals with a member of a group that has lost, by a decision of the journal that the code does not come to any more:
 * stops the run, or returns the failure to raise, as fit_misfit does. */
failure fit_misfit_lost(run *r, uint64_t path, const char *id);

/* Compares the input that the step's result, or its last failure, was made from with the one that the code now passes.
 * True: the record is to be used; another input is reported once for each version of the endpoint. False: the run has
 * been stopped, since its endpoint has on_difference SW_STOP, and the caller raises an unwind. */
bool fit_check_input(run *r, const struct step_spec *spec, replay_record *rec);

/* The handler has returned: reports what the journal has and the handler did not ask for, in the log once for all runs
 * between the same two versions of the endpoint, in the run's journal, and as a metric. */
void fit_report_unasked(run *r);

#endif
