/* fit: whether what a journal holds is what the code now asks for. Owns nothing; its texts are in the run's arena. */
#ifndef RUNTIME_RUN_FIT_H
#define RUNTIME_RUN_FIT_H

#include "runtime/run/replay.h"
#include "runtime/run/run.h"

struct step_spec;

/* The journal's record of a path; NULL: there is none, or the run is new. */
replay_record *fit_find(run *r, uint64_t path);

/* A path is a hash: the record found by it may be another's. */
bool fit_is(const replay_record *rec, entry_kind kind, const char *id, uint32_t occurrence);
bool fit_is_step(run *r, const replay_record *rec, const struct step_spec *spec);

/* The journal has `rec` where the code now has `what` (a word for people) called `id`: the run is stopped if its
 * endpoint wants that (SW_STOP), and unwinds; else it fails. Returns the failure to raise. */
failure fit_misfit(run *r, const replay_record *rec, const char *what, const char *id);

/* The step's record was made from another input than the code now passes: counted, and the run is stopped if its
 * endpoint wants that: false, it unwinds. Else it is logged and journaled once for each such input, and the record is
 * used all the same. */
bool fit_check_input(run *r, const struct step_spec *spec, replay_record *rec);

#endif
