/* seeded_bug: mistakes that are made on purpose, one at a time, in a build with -Dseeded_bugs=true: the simulation has
 * to find each of them (tests/simulation/bugs.sh). In every other build BUG is the constant 0: no code of it is left.
 */
#ifndef CORO_SEEDED_BUG_H
#define CORO_SEEDED_BUG_H

#define SEEDED_BUG_LIST(X)                                                                                             \
    X(SKIP_ROLLBACK, "chunks of an attempt that a crash cut off are not taken back")                                   \
    X(DROP_LIVE_ROW, "a run that goes on gets no row in the live table")                                               \
    X(LEAVE_LIVE_ROW, "the row of a run that has ended stays")                                                         \
    X(SWAP_SEGMENTS, "a segment gets the key of another")                                                              \
    X(ANSWER_EARLY, "the answer leaves before its commit")                                                             \
    X(CANCEL_EARLY, "a cancel is acknowledged before its commit")                                                      \
    X(FORGET_CHOICE, "an attempt does not wait for the choices before it")                                             \
    X(CHOOSE_AGAIN, "a replay chooses anew")                                                                           \
    X(PATCH_ALL, "sw_patch sends runs the new way that have gone the old one")                                         \
    X(RUN_STEP_AGAIN, "a replay runs a finished step again")                                                           \
    X(SYNC_BEFORE, ".sync does not wait for what comes before the step")                                               \
    X(SYNC_AFTER, ".sync does not wait for its result")                                                                \
    X(LOSE_CANCEL, "a letter that cancels does nothing")                                                               \
    X(CANCEL_GOES_ON, "a cancelled run is not unwound")                                                                \
    X(LOSE_SIGNAL, "a signal does not wake the run that waits for it")                                                 \
    X(TAKE_AGAIN, "a signal that was sent twice is taken twice")                                                       \
    X(TIMEOUT_FIRST, "a wait whose time is over does not look for a signal")                                           \
    X(LEAVE_LETTER, "a letter stays in the inbox")                                                                     \
    X(MEMBER_OUTLIVES, "a member of a group begins after its run was unwound")                                         \
    X(FORGET_DUE, "a parked run is not woken")                                                                         \
    X(SHORT_SLEEP, "a sleep ends too soon")                                                                            \
    X(OPEN_GATE, "attempts begin while the journal takes no writes")                                                   \
    X(UNKNOWN_REFUSED, "a write of unknown outcome is told as refused")                                                \
    X(FORGET_KEY, "the Idempotency-Key is not written")                                                                \
    X(FRAME_AGAIN, "a stream gets a frame twice when its run has been away")                                           \
    X(FRAME_EARLY, "a frame leaves before its entry is on disk")                                                       \
    X(LOSE_WAITER, "of the clients of a run that leaves memory all but one are forgotten")                             \
    X(CALL_AGAIN, "a call that may have been done is sent again")                                                      \
    X(PARALLEL_MORE, "sw_each has one more at a time than it may")                                                     \
    X(RETRY_MORE, "a step is retried once more than it may be")                                                        \
    X(PLACE_MORE, "runs are resumed beyond --runs-max")                                                                \
    X(SWAP_RESULTS, "a group gives its results in another order")                                                      \
    X(LEAK_STACK, "a stack is not given back")                                                                         \
    X(LEAK_ARENA, "the memory of an attempt is not given back")                                                        \
    X(LEAK_DESCRIPTOR, "the descriptor of a client that has vanished stays open")                                      \
    X(LEAK_TIMER, "the timer of a run's deadline goes on when the run has ended")                                      \
    X(FORGET_STOP, "a stopped run goes on at the next start")                                                          \
    X(LOSE_CRASH, "nobody notes of which run the process has died")                                                    \
    X(CRASH_FOR_EVER, "a run that ends the process again and again is not stopped")                                    \
    X(RESUME_ALL, "--no-resume holds nothing back")                                                                    \
    X(LOSE_RELEASE, "a letter that releases does nothing")                                                             \
    X(LOSE_STOP, "a letter that stops does nothing")                                                                   \
    X(RELEASE_UNWRITTEN, "a stopped run goes on before its release is on disk")                                        \
    X(IGNORE_DIFFERENCE, "a run with another input goes on, though it is to stop")                                     \
    X(DEADLINE_RUNS, "the time for which a run is stopped counts for its deadline")                                    \
    X(STALE_EARLY, "a stopped run fails before --retain-stopped is over")                                              \
    X(WRONG_REASON, "clients are told that a stopped run stands for another reason")                                   \
    X(LEAVE_TRIES, "the tries of a run that goes on stay")                                                             \
    X(SUSPECTS_TOGETHER, "suspects have places beyond --runs-max")                                                     \
    X(CRASHED_FIRST, "a run that has ended the process comes back with all others")                                    \
    X(SOLO_AT_ONCE, "a run that has ended the process comes back before others have got on")                           \
    X(WAVES_AT_ONCE, "with the second wave all that are left come")                                                    \
    X(FORGET_WAVE, "whoever waits for a later wave is forgotten")                                                      \
    X(COUNT_UNSETTLED, "a run that has left memory counts as one that has not got on")                                 \
    X(EXHAUSTED_FAILS, "a run fails that is to stop when a step has used its retries")                                 \
    X(FATAL_STOPS, "a run stops for a failure that no retry can mend")                                                 \
    X(RELEASE_ALL, "a release gives retries to steps that the code has dealt with")                                    \
    X(SAY_AGAIN, "a replay says again what its handler has said of the run")                                           \
    X(DROP_STATUS, "a status that waits when the handler returns is lost")                                             \
    X(LOSE_USAGE, "what an attempt after the first has used is not journaled")                                         \
    X(RELEASE_NONE, "a release gives the steps that a run was stopped for no retries")                                 \
    X(LOSE_CAUSE, "of the steps that a run is stopped for only the first is named")                                    \
    X(COUNT_ON, "a step that was released goes on counting its attempts")                                              \
    X(REOPEN_NONE, "a run that is reopened keeps the failures that ended it")                                          \
    X(FORK_DROPS, "a fork lacks the results of the steps that it says it has copied")                                  \
    X(FORK_KEEPS, "a fork keeps the failures that ended its original")                                                 \
    X(FORK_UNLINKED, "a fork is written without the row by which its original leads to it")                            \
    X(FORK_CALLS, "a fork keeps a call that has no result")                                                            \
    X(FORK_SIGNALS, "a fork keeps signals that none of its waits has taken")                                           \
    X(FORK_RACED, "a fork from what has lost keeps all that the winner has done")                                      \
    X(BULK_AGAIN, "a bulk action writes letters again that were written before a kill")                                \
    X(BULK_MISCOUNTS, "a bulk action forgets to count letters that were written before a kill")                        \
    X(BULK_LEAVES_OUT, "a bulk action leaves out one run of a page")                                                   \
    X(CHILD_NONE, "a function is called, and its run does not begin")                                                  \
    X(CHILD_AGAIN, "a replay calls a function again that has not returned")                                            \
    X(RETURN_NONE, "a run that was called ends without a word to its caller")                                          \
    X(RETURN_EACH, "each result of a group's calls wakes the run that waits for all of them")                          \
    X(RECALL_NONE, "runs go on that were called by one that has ended")                                                \
    X(CHILD_LATE, "a run that was called does not know the deadline of its caller")                                    \
    X(SEND_AGAIN, "a replay sends a signal to another run again")                                                      \
    X(SEND_ALONE, "a signal of a run is journaled without the letter that brings it")                                  \
    X(ANSWER_AGAIN, "a second answer to a question counts, while nobody has heard the first")                          \
    X(CHOICE_ANY, "an answer counts that is none of the question's choices")                                           \
    X(FORM_FOREIGN, "a form counts that no page of the question has made")                                             \
    X(WIN_AGAIN, "a replay decides a group anew by what comes to an end first")                                        \
    X(LOSERS_BEGIN, "what has lost begins again in a replay")                                                          \
    X(LOSERS_COUNT, "what a loser does after the decision is journaled")                                               \
    X(EACH_GOES_ON, "an element of sw_each begins after another has failed for good")                                  \
    X(TOLERATE_NONE, "a group whose failures are to be tolerated fails")                                               \
    X(SHORT_FAILS, "a handler for which there is no memory fails for good")                                            \
    X(SHORT_PAGE, "a page of a run for which there is no memory is shown as far as it goes")

#if defined(SEEDED_BUGS)
#define SEEDED_BUG_NUMBER(name, what) SEEDED_##name,
enum { SEEDED_NONE, SEEDED_BUG_LIST(SEEDED_BUG_NUMBER) SEEDED_BUGS_END };
extern int seeded_bug; /* which one is made; SEEDED_NONE: none */
#define BUG(name) (seeded_bug == SEEDED_##name)
#else
#define BUG(name) 0
#endif

#endif
