#include "runtime/base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/redact.h"
#include "runtime/base/utf8.h"

enum { MESSAGE_MAX = 4096, LINE_MAX_BYTES = 6 * MESSAGE_MAX + 256 };

static log_format line_format = LOG_TEXT;
static log_level level_most = LOG_INFO;
static const redact *hidden; /* NULL: nothing is */
static const char *const level_names[] = {"error", "warn", "info", "debug"};

_Static_assert(sizeof level_names / sizeof level_names[0] == LOG_DEBUG + 1, "each level has its name");
_Static_assert(UTF8_REPLACEMENT_BYTES < 6, "no byte grows to more than \\uXXXX");

void log_configure(log_format format, log_level most)
{
    assert(format == LOG_TEXT || format == LOG_JSON);
    assert(most <= LOG_DEBUG);
    line_format = format;
    level_most = most;
}

void log_hide(const redact *hides) { hidden = hides; }

void log_line(log_level level, const char *run_id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_vline(level, run_id, format, args);
    va_end(args);
}

static CLOCK_READER size_t log_stamp(char *to, size_t size)
{
    struct timespec now;
    struct tm utc;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &utc)) return 0;
    size_t n = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return n + (size_t)snprintf(to + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* Escapes as JSON does; in a text line this leaves one event on one line and terminals safe. Bytes that are no UTF-8,
 * as of a character that was cut, become U+FFFD: readers of the log would drop a line that is no valid JSON. */
static size_t log_escape(char *to, const char *text)
{
    size_t n = 0;
    const uint8_t *end = (const uint8_t *)text + strlen(text);
    for (const uint8_t *p = (const uint8_t *)text; p < end; p++) {
        size_t bytes = utf8_length(p, (size_t)(end - p));
        if (bytes != 1) {
            memcpy(to + n, bytes ? (const char *)p : UTF8_REPLACEMENT, bytes ? bytes : UTF8_REPLACEMENT_BYTES);
            n += bytes ? bytes : UTF8_REPLACEMENT_BYTES;
            p += bytes ? bytes - 1 : 0;
        } else if (*p < 0x20 || *p == 0x7f)
            n += (size_t)sprintf(to + n, *p == '\n' ? "\\n" : "\\u%04x", *p);
        else if (line_format == LOG_JSON && (*p == '"' || *p == '\\'))
            n += (size_t)sprintf(to + n, "\\%c", *p);
        else
            to[n++] = (char)*p;
    }
    return n;
}

/* What comes between the level and the message. */
static size_t log_put_about(char *to, const log_about *about)
{
    const bool json = line_format == LOG_JSON;
    const log_trace *trace = about->trace;
    size_t n = 0;
    if (about->run_id) n += (size_t)sprintf(to, json ? "\"run\":\"%.26s\"," : "run %.26s ", about->run_id);
    if (trace)
        n += (size_t)sprintf(to + n,
                             json ? "\"trace_id\":\"%.32s\",\"span_id\":\"%016" PRIx64 "\","
                                  : "trace %.32s span %016" PRIx64 " ",
                             trace->trace_id, trace->span);
    return n;
}

static size_t log_compose(char *line, log_level level, const log_about *about, const char *message)
{
    char when[40] = "";
    (void)log_stamp(when, sizeof when);
    size_t n;
    if (line_format == LOG_JSON) {
        n = (size_t)sprintf(line, "{\"time\":\"%s\",\"level\":\"%s\",", when, level_names[level]);
        n += log_put_about(line + n, about);
        n += (size_t)sprintf(line + n, "\"message\":\"");
        n += log_escape(line + n, message);
        n += (size_t)sprintf(line + n, "\"}");
    } else {
        n = (size_t)sprintf(line, "%s %-5s ", when, level_names[level]);
        n += log_put_about(line + n, about);
        n += log_escape(line + n, message);
    }
    line[n++] = '\n';
    return n;
}

/* Allocated, because the caller's stack may be a coroutine's, of 64 KiB. */
typedef struct log_buffer {
    char message[MESSAGE_MAX], shown[MESSAGE_MAX];
    char line[LINE_MAX_BYTES];
} log_buffer;

void log_vline(log_level level, const char *run_id, const char *format, va_list args)
{
    log_vabout(level, &(log_about){.run_id = run_id}, format, args);
}

void log_vabout(log_level level, const log_about *about, const char *format, va_list args)
{
    assert(level <= LOG_DEBUG);
    static const char cut[] = " [cut]"; /* at the end of a message longer than a line may be */
    if (level > level_most) return;
    log_buffer *b = malloc(sizeof *b);
    if (!b) return;
    int len = vsnprintf(b->message, sizeof b->message, format, args);
    if (len >= (int)sizeof b->message) memcpy(b->message + sizeof b->message - sizeof cut, cut, sizeof cut);
    if (hidden) (void)redact_text(hidden, (http_text){b->message, strlen(b->message)}, b->shown, sizeof b->shown);
    size_t n = log_compose(b->line, level, about, hidden ? b->shown : b->message);
    assert(n <= sizeof b->line);
    /* A log that cannot be written must not stop the service. */
    ssize_t written = write(STDERR_FILENO, b->line, n);
    (void)written;
    free(b);
}
