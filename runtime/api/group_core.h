/* group_core: what the files of groups share: a group and its members. Owns nothing: both lie in the run's arena.
 *
 *     group.c        making groups; members with a strand of their own: steps and branches
 *     group_stand.c  members without one, which stand and wait: for a signal, for a point in time
 *     group_call.c   for a run that was called
 *     group_wait.c   waiting for members
 *     select.c       waiting for the first success
 *     each.c         sw_each
 *
 * A member:
 *
 *     added --the journal has its end--> ended
 *        \--a place, and a stack--> running --its function is over--> ended        has a strand
 *        |     |--(not begun) another failure decides the group--> ended (abandoned)
 *        |     \--another member wins--> abandoned --its code has let go--> ended (unwound)
 *        |--> standing --decided, by the strand that waits for the group--> ended  has none
 *        |         \--nobody wants its result any more: *abandoned*--> ended (abandoned): withdrawn
 *        \--the journal has *abandoned*--> ended (abandoned)
 *
 * A group that wants its first success:
 *
 *     open --a success: *won* is journaled--> won --no code of a loser runs--> over
 *        \--all have failed--> over (fails)
 *
 * A replay finds *won*: members that it names as losers begin nothing, whatever comes to an end first. A branch among
 * them is executed all the same, as far as the journal has it: so all that the journal has is asked for, as it was at
 * first, and the counts that go with the code (steps, chunks, labels) are what they were.
 *
 * A member that stands is an entry of the run (*wait*, *sleep*), a struct, and nothing else: thousands of them in a
 * group cost no stack. It is decided when somebody waits for the group, not before: until then a signal stays in the
 * inbox. */
#ifndef RUNTIME_API_GROUP_CORE_H
#define RUNTIME_API_GROUP_CORE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/api/step.h"
#include "runtime/api/wait.h"

typedef struct member member;

/* What a member is. */
typedef struct member_kind {
    bool has_strand; /* it runs code; else it stands */
    bool is_work; /* it stands, and somebody works for it elsewhere: it is waited for, whatever becomes of the group */
    /* Of one that stands: ends it, with its outcome, if it can be ended now; else false. *is_coming: it is not known
     * yet whether it can. May fail the group's context. */
    bool (*decide)(member *m, bool *is_coming);
    /* Of one that stands: it is given up. Nothing is to come of it, and nobody wants its result. NULL: that is all. */
    void (*withdraw)(member *m);
} member_kind;

extern const member_kind member_step, member_branch, member_wait, member_sleep, member_call;

struct member {
    sw_group *group;
    member *next;
    const member_kind *kind;
    strand *strand;       /* while it runs */
    step_outcome outcome; /* STEP_OPEN until the member has ended */
    bool ended;
    bool is_lost;      /* another member has won, in this execution or in an earlier one */
    bool was_given_up; /* it stood in an earlier execution, which gave it up */
    sw_value value;
    failure failure;
    struct function_call *call; /* of a call; it uses wait.open as well */
    union {
        step_spec spec; /* a branch uses its id, path, label, fn and input */
        waiting wait;   /* of one that stands; a sleep has no signal */
    };
};

struct sw_group {
    run *run;
    strand *strand; /* of that context; NULL: it leaves memory, and nothing of the group begins any more */
    sw_ctx *ctx;    /* the context that made the group; likewise NULL */
    sw_group *next; /* of the same context */
    member *first, **end;
    member *unstarted; /* the first member that may have to be started; ended ones behind it are passed over */
    open_wait *standing, **standing_end; /* of members that stand */
    size_t standing_count;
    strand *waiting;              /* the strand that is suspended for this group, else NULL */
    size_t running;               /* started and not ended */
    size_t pending;               /* not ended */
    size_t parallel_max;          /* 0: no limit */
    sw_step_options step_options; /* of steps that bring none */
    bool settles;                 /* sw_group_wait returns failures as values */
    bool lacks_stack;   /* the first unstarted member found no room for its stack: the waiting strand tries again */
    bool lacks_room;    /* a result has come for which the journal has no room: the waiting strand waits for that */
    bool fails_at_once; /* the first failure decides: nothing begins after it */
    bool decided;       /* with fails_at_once: a member has failed */
    bool has_failed;    /* a member has failed */
    bool first_decides; /* somebody waits for the first success, not for all members */
    bool is_told;       /* clients know that the group may wait long */
    bool is_caught_up;  /* members have come to what the journal has of them */
};

static inline uint64_t member_path(const member *m) { return m->kind->has_strand ? m->spec.path : m->wait.open.path; }
static inline const char *member_id(const member *m) { return m->kind->has_strand ? m->spec.id : m->wait.open.id; }

/* ---- group.c ---- */

/* Returns the innermost context, which has made the group, or refuses `function`. Reads nothing behind `g` before it
 * has found `g` among the context's groups: a group of another strand, or of a run that is over, may be freed. */
sw_ctx *group_context(const sw_group *g, const char *function);
/* Makes a member without adding it. Fails `c` for want of memory. */
member *member_new(sw_ctx *c, sw_group *g, const member_kind *kind);
/* Adds the member: it is one of the group's, and not ended. */
void member_link(member *m);
/* Whether the journal has nothing of the member, a step or branch that has lost or works for one that has, which could
 * be replayed: then nothing of it may begin. What a step has streamed that a crash cut off is taken back. */
bool member_begins_nothing(const member *m);
/* Ends a member that runs no code: nothing of it begins any more. */
void member_abandon(member *m);
/* Adds a step or branch, and copies its input, since the function that adds a member may have returned when the member
 * runs. Fails `c` for want of memory. */
void member_add(sw_ctx *c, sw_group *g, const member_kind *kind, const step_spec *spec);
/* The member, whose outcome is known, has ended. */
void member_ended(member *m);
/* Starts members for which there is a place. */
void group_start_members(sw_group *g);

/* ---- group_stand.c ---- */

static inline member *member_of_wait(open_wait *w) { return (member *)((char *)w - offsetof(member, wait.open)); }
/* Ends the members that stand, and that can be ended; the first of them alone, if it is a success and `first`.
 * *is_coming: of some it is not known yet. */
void group_decide_standing(sw_group *g, bool first, bool *is_coming);
/* Ends a sleep that the journal says was over, whatever the clock says now. */
void group_end_sleep(member *m);
/* Adds a member that stands: m->wait.open is what it waits for. */
void member_stand(member *m);
/* Ends all members that stand, but for work, since nobody wants their results: a signal stays for the next wait. That
 * is journaled, so that they stand no more in another execution, whatever that comes to first. */
void group_withdraw(sw_group *g);
/* Also those for which somebody works: another member has won. */
void group_give_up_standing(sw_group *g);
/* The group's strand has lost: ends what stands. Sleeps that are over have ended well, as at first: so a replay comes
 * to what the journal has behind them. */
void group_lose_standing(sw_group *g);
/* Suspends the strand until a member has ended, or one that stands may be ended, if the run goes on for that. False: it
 * was interrupted. */
bool group_suspend(sw_group *g, strand *s, bool is_coming);

/* ---- group_wait.c ---- */

/* What somebody waits for a group for. */
typedef enum group_goal {
    GROUP_RESULTS, /* all members; the first failure decides for those that stand, which cost nothing */
    GROUP_SETTLED, /* all members, whatever becomes of them */
    GROUP_END,     /* the end of all code: nobody wants results any more */
    GROUP_QUIET    /* that no code runs; members that stand go on standing */
} group_goal;

/* Waits for all members of the groups of a context that ends; those that stand are withdrawn. */
void groups_settle(sw_ctx *c);
/* Suspends the strand until something of the group has changed. False: it was interrupted. */
bool group_suspend_for(sw_group *g, strand *s, bool is_coming);
/* The group's context is to be unwound: waits for what its members still do if they work for one that has lost, since
 * they may read what lies in its frames. Never returns. */
SW_NORETURN void group_quit(sw_group *g);
/* Of a group whose members have ended: unwinds its context if one of them did, or was given up, so that nothing may
 * come of the group; stops or fails the run if one has lost in a decision that the code now does not come to, or
 * was given up for a failure that is none now. */
void group_refuse_unended(const sw_group *g, group_goal goal);
/* The group is over: it belongs to its context no longer. */
void group_close(sw_group *g);
/* Fails the group's context with the failure of `first`, the first member in start order that failed. */
SW_NORETURN void group_fail(sw_group *g, const member *first);

#endif
