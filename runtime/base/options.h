/* options: the values of the library's flags, checked: what the program was asked to be. Read-only once the flags are
 * read. What each flag means: runtime/process/flag.c. */
#ifndef RUNTIME_BASE_OPTIONS_H
#define RUNTIME_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Texts are borrowed from the arguments, the environment and the flags; NULL: not given, and without a default. */
typedef struct sw_options {
    const char *listen;
    const char *data;
    const char *admin_listen; /* HOST:PORT, a path, "none"; NULL: as --dev has it */
    const char *secret_file;
    const char *backup_dir;
    const char *admin_host; /* names with commas; NULL: none */
    const char *admin_token;
    const char *redact;        /* keys with commas; NULL: none */
    const char *const *tokens; /* NAME:SCOPES:FILE each, NULL-terminated; NULL: none */
    const char *public_url;
    const char *cors_origin;
    const char *ca_file;
    const char *trace_hosts; /* names with commas; NULL: none */
    const char *log_format;
    const char *log_level;
    bool accept_journal_loss;
    bool admin_on_public;
    bool dev;
    bool no_resume;
    bool supervise;
    bool trace_trust;
    int64_t loops; /* 0: one per core */
    int64_t redirect_after_ms;
    int64_t hold_ms;      /* 0: by client */
    int64_t heartbeat_ms; /* 0: streams are silent for as long as their runs are */
    int64_t park_after_ms;
    int64_t drain_ms;
    int64_t block_warn_ms; /* 0: nobody watches */
    int64_t retain_ms;
    int64_t retain_stopped_ms;
    int64_t stopped_answer_ms;
    int64_t retain_bytes;                                                        /* 0: no limit */
    int64_t runs_max;                                                            /* in memory, of each loop */
    int64_t children_max, call_depth_max;                                        /* of a run: of its calls */
    int64_t steps_max;                                                           /* of a run */
    int64_t step_result_max;                                                     /* bytes */
    int64_t status_max;                                                          /* bytes of a status (sw_status) */
    int64_t run_state_max;                                                       /* bytes of journal */
    int64_t signal_max;                                                          /* bytes of a signal's JSON */
    int64_t signals_max, signals_bytes_max;                                      /* of a run: not taken yet */
    int64_t journal_queue_max;                                                   /* bytes */
    int64_t journal_load_max;                                                    /* bytes, of each loop */
    int64_t head_max, body_max;                                                  /* bytes of a request */
    int64_t head_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms; /* of client connections */
    int64_t peer_timeout_ms;
    int64_t connections_max;         /* of each loop */
    int64_t admin_connections_max;   /* of each loop */
    int64_t keep_after_ms, keep_max; /* client connections that the supervisor holds */
    int64_t spare_memory;            /* bytes, of each loop */
    int64_t stack_size;              /* bytes */
    int64_t blocking_threads;        /* of sw_blocking */
    int64_t upstream_connections_per_host;
    int64_t connect_timeout_ms;        /* of calls that steps make */
    int64_t metric_series_max;         /* of each metric with labels */
    bool proxy_guards;                 /* the proxy of calls lets none pass to an address that is not public */
    int64_t lookup_threads, names_max; /* of the process; of hosts, of each loop */
    const char *check;                 /* a backup whose runs are checked, and nothing served; NULL: it serves */
    int64_t check_ended;               /* runs */
    bool check_json;
    const char *prove; /* "POST /orders": is proved, and nothing served; NULL: the program serves */
    const char *prove_body;
    const char *const *prove_headers; /* NULL-terminated; NULL: none */
    const char *const *prove_signals; /* NAME or NAME=JSON each, NULL-terminated; NULL: none */
    const char *prove_repeatable;     /* patterns of step ids, with commas; NULL: none */
    const char *record, *replay;      /* files; NULL: none */
    int64_t prove_points, prove_timeout_ms, prove_bytes_max;
} sw_options;

#endif
