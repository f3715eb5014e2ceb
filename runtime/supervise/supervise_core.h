/* supervise_core: the supervisor's state, for supervise.c (signals, time, the trial) and worker.c (the worker from its
 * start to its end) alone. */
#ifndef RUNTIME_SUPERVISE_SUPERVISE_CORE_H
#define RUNTIME_SUPERVISE_SUPERVISE_CORE_H

#include <signal.h>

#include "runtime/run/program.h"
#include "runtime/supervise/notify.h"
#include "runtime/supervise/sockets.h"
#include "runtime/survive/control.h"
#include "runtime/survive/holder.h"

enum {
    EXIT_OK = 0,
    EXIT_OTHER = 1,
    EXIT_SETUP = 2,
    DRAIN_GRACE_MS = 10000, /* a worker that needs longer than --drain and this hangs */
    END_TEXT_BYTES = 64
};

/*   no worker --fork--> starting --READY--> ready --dies--> no worker, for the time of the backoff
 *                          |                  | SIGTERM; SIGHUP, when the trial of the program has succeeded
 *                          | ends             v
 *                          +------------- leaving --ends--> no worker; SIGTERM: the end */
typedef struct supervisor {
    const sw_app *app;
    sockets *sockets;
    notify notify;
    char *program;             /* owned: what to execute, a path or a name for PATH */
    char **argv;               /* owned */
    sigset_t mask_before;      /* of signals; the worker gets it back */
    int epoll, signals;        /* signals: a signalfd */
    int control;               /* to the worker; -1: it has none, or there is no worker */
    control_message *message;  /* owned: the one being read */
    holder *holder;            /* owned: the sockets of clients that outlive a worker */
    pid_t worker;              /* 0: none */
    pid_t trial;               /* of the program, before the worker is replaced; 0: none */
    uint32_t workers_started;  /* so far */
    control_ended ended;       /* the worker before */
    bool is_ready;             /* the worker serves */
    bool is_leaving;           /* the worker was told to drain */
    bool is_aborted;           /* the worker missed its beats and got SIGABRT */
    bool was_ready;            /* some worker has served */
    bool is_stopping, is_done; /* SIGTERM or SIGINT has come; the supervisor ends */
    unsigned crashes;          /* in a row */
    int result;                /* once is_done: the exit code */
    /* Times of the awake clock; 0: not waited for. */
    int64_t ready_ms;     /* when the worker was */
    int64_t start_ms;     /* when the next worker is due */
    int64_t kill_ms;      /* when the worker is killed if it has not ended */
    int64_t trial_end_ms; /* when the trial is */
    int64_t beat_ms;      /* when the supervisor itself last told the service manager that it lives */
    int64_t heard_ms;     /* the worker's last beat, or when it was ready; 0: its beats are not waited for */
} supervisor;

/* Ends the supervisor with this exit code. */
void supervisor_finish(supervisor *s, int result);
/* Has epoll tell when the descriptor can be read. False with errno. */
bool supervisor_watch(const supervisor *s, int fd);

/* ---- worker.c ---- */

/* Starts a worker and hands it the held sockets; when that fails, sets the time of the next start. */
void worker_start(supervisor *s);
/* Tells the worker to drain and end, once. */
void worker_drain(supervisor *s);
/* `events` of epoll: what the worker has said is read, and more of the held sockets are handed over. */
void worker_on_control(supervisor *s, uint32_t events);
/* `status` of waitpid. Decides whether another worker starts, and when. */
void worker_on_end(supervisor *s, int status);
/* When a worker that beats no more is taken to hang; 0: never. */
int64_t worker_hang_due(const supervisor *s);
/* Ends a worker that hangs. */
void worker_abort(supervisor *s, int64_t now);
/* How a process has ended, in words, by its status of waitpid. */
void end_describe(int status, char text[END_TEXT_BYTES]);

#endif
