/* log: writes one line an event to standard error, as text or JSON, whole even from many threads. A line that cannot be
 * written is lost: the log never fails a caller. */
#ifndef RUNTIME_BASE_LOG_H
#define RUNTIME_BASE_LOG_H

#include <stdarg.h>
#include <stdint.h>

typedef enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG } log_level;
typedef enum log_format { LOG_TEXT, LOG_JSON } log_format;

void log_configure(log_format format, log_level most); /* before other threads log */

struct redact;
/* What the messages of all lines are not to show, borrowed; NULL: nothing is hidden. Before other threads log, or when
 * none does any more. */
void log_hide(const struct redact *hides);

/* Writes a line; run_id NULL: of no run. Messages over 4 KiB are cut; control characters are escaped. */
void log_line(log_level level, const char *run_id, const char *format, ...) __attribute__((format(printf, 3, 4)));
void log_vline(log_level level, const char *run_id, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* A trace, and the span of it that logs a line. */
typedef struct log_trace {
    const char *trace_id; /* 32 hexadecimal digits */
    uint64_t span;
} log_trace;

/* What a line is about. */
typedef struct log_about {
    const char *run_id;     /* NULL: no run */
    const log_trace *trace; /* NULL: none */
} log_about;

void log_vabout(log_level level, const log_about *about, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
