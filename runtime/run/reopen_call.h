/* reopen_call: has a run go on after its end because the run that has called it does, and waits for its result again: a
 * letter (LETTER_REOPEN), which is written with *reopened* of the caller. Owns the letter from when the run's slot has
 * been loaded for it to its answer. So a caller that fails because of a run that fails because of another one goes on
 * from the last one: each has those go on that it has called, and waits.
 *
 *     on disk, with its caller's entry --the run's home has it--> the run is loaded, and
 *         has failed, or was cancelled --its own *reopened*, on disk--> goes on; returns when it ends anew
 *         has succeeded, or cannot go on --a letter to the caller, on disk--> has returned
 *         is not there any more          --likewise-----------------------> the caller calls anew
 *         has not ended                  --its end--> returns, for that generation; cancelled by its caller: goes on
 *
 * The letter is deleted in the commit of *reopened*, or of that end, or behind the letter to the caller: whatever
 * process dies when, the next one finds either the letter or what it has led to. A caller that ends meanwhile cancels
 * its children: that letter comes behind this one, which it makes void. */
#ifndef RUNTIME_RUN_REOPEN_CALL_H
#define RUNTIME_RUN_REOPEN_CALL_H

#include <stdbool.h>

#include "storage/store.h"

struct home;
struct letter;
struct slot;

/* The run has ended, or there is no such run; its slot is being loaded. True: its caller has asked for it, and the slot
 * is on its way. */
bool reopen_obey(struct home *h, struct slot *s, const store_journal *journal);

/* A letter of the run that has called this one comes behind those by which it has wanted it to go on: these are void if
 * the letter cancels the run in the same generation, or a later one. */
void reopen_overtake(struct home *h, struct slot *s, const struct letter *m);
/* Whether the letter, which comes while the run's slot is reopening, is for the run as it goes on. */
bool reopen_is_overtaken(const struct home *h, const struct letter *m);

#endif
