#include "runtime/prove/recording.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/probe/call_fact.h"
#include "runtime/probe/tape.h"

enum { VERSION = 1, FIELDS_MAX = 16, NUMBER_TEXT = 24, STATUS_LEAST = 100, STATUS_MOST = 999 };
_Static_assert(NUMBER_TEXT > 16, "a path and a hash are 16 digits");

/* ---- Writing ---- */

typedef struct fields {
    msgpack_object_kv list[FIELDS_MAX];
    uint32_t count;
} fields;

static msgpack_object text_value(const char *text, size_t len)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {.size = (uint32_t)len, .ptr = text}};
}

static void fields_add(fields *to, const char *name, msgpack_object value)
{
    assert(to->count < FIELDS_MAX);
    to->list[to->count++] = (msgpack_object_kv){text_value(name, strlen(name)), value};
}

static void fields_add_text(fields *to, const char *name, const char *text)
{
    fields_add(to, name, text_value(text, strlen(text)));
}

static void fields_add_number(fields *to, const char *name, uint64_t n)
{
    fields_add(to, name, (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = n});
}

/* Adds the list without lines that begin with `without` ("": with all). False: out of memory. */
static bool fields_add_list(arena *a, fields *to, const char *name, const char *const *list, const char *without)
{
    size_t n = 0, count = 0, len = strlen(without);
    while (list && list[n]) n++;
    msgpack_object *values = arena_alloc(a, (n + 1) * sizeof *values);
    for (size_t i = 0; i < n && values; i++)
        if (len == 0 || strncasecmp(list[i], without, len) != 0) values[count++] = text_value(list[i], strlen(list[i]));
    fields_add(to, name,
               (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = (uint32_t)count, .ptr = values}});
    return values != NULL;
}

static bool fields_add_answer(arena *a, fields *to, const fact *answer)
{
    http_canned c;
    assert(!answer || answer->kind == FACT_ANSWER);
    if (!answer) return true; /* the attempt ended before an answer came */
    if (!call_answer_read(a, answer->data, &c)) return false;
    if (c.status) fields_add_number(to, "status", (uint64_t)c.status);
    const char *error = http_call_error_name(c.error);
    if (*error) fields_add_text(to, "error", error);
    if (c.error != HTTP_CALL_OK && c.error_text) fields_add_text(to, "errorText", c.error_text);
    msgpack_object body = text_value(c.body, c.body_len);
    bool is_text = json_writes_whole(body);
    if (!is_text) body.type = MSGPACK_OBJECT_BIN; /* which JSON has as base64 */
    fields_add(to, is_text ? "body" : "body64", body);
    return fields_add_list(a, to, "responseHeaders", c.headers, "set-cookie:");
}

static bool recording_write_line(arena *a, FILE *file, fields *line)
{
    sw_bytes text;
    sw_value map = {.type = MSGPACK_OBJECT_MAP, .via.map = {.size = line->count, .ptr = line->list}};
    return json_write(a, map, &text) && fwrite(text.data, 1, text.len, file) == text.len && fputc('\n', file) != EOF;
}

static bool recording_write_call(arena *a, FILE *file, const fact *f, const fact *answer)
{
    call_asked q;
    char run[NUMBER_TEXT], path[NUMBER_TEXT], hash[NUMBER_TEXT];
    fields line = {.count = 0};
    assert(f->kind == FACT_CALL);
    if (!call_asked_read(a, f->data, &q)) return false;
    (void)snprintf(path, sizeof path, "%016" PRIx64, f->path);
    (void)snprintf(hash, sizeof hash, "%016" PRIx64, q.body_hash);
    (void)snprintf(run, sizeof run, "%016" PRIx64, f->run);
    if (f->run != LINEAGE_ROOT) fields_add_text(&line, "run", run);
    fields_add(&line, "step", text_value(f->id.data, f->id.len));
    fields_add(&line, "branch", text_value(f->label.data, f->label.len));
    fields_add_text(&line, "path", path);
    fields_add_number(&line, "attempt", f->attempt);
    fields_add_number(&line, "call", f->number);
    fields_add_text(&line, "method", q.method);
    fields_add_text(&line, "url", q.url);
    fields_add_text(&line, "bodyHash", hash);
    fields_add_number(&line, "bodyBytes", q.body_len);
    return fields_add_list(a, &line, "headers", q.headers, "") && fields_add_answer(a, &line, answer) &&
           recording_write_line(a, file, &line);
}

static const fact *recording_answer(const tape *answers, const fact *call)
{
    fact wanted = *call;
    wanted.kind = FACT_ANSWER;
    return tape_find(answers, &wanted);
}

static bool recording_write_calls(FILE *file, const char *request, const execution *x)
{
    tape answers = {.cells = NULL};
    fields head = {.count = 0};
    arena a;
    arena_init(&a, NULL);
    fields_add_number(&head, "stepwellRecording", VERSION);
    fields_add_text(&head, "request", request);
    bool ok = tape_add(&answers, x->facts, x->fact_count) && recording_write_line(&a, file, &head);
    for (size_t i = 0; i < x->fact_count && ok; i++) {
        const fact *f = &x->facts[i];
        arena_free(&a);
        if (f->kind == FACT_CALL) ok = recording_write_call(&a, file, f, recording_answer(&answers, f));
    }
    arena_free(&a);
    tape_free(&answers);
    return ok;
}

bool recording_write(const char *path, const char *request, const execution *x, char *error, size_t error_size)
{
    FILE *file = fopen(path, "we");
    if (file) errno = ENOMEM; /* what is missing if no write fails */
    bool ok = file && recording_write_calls(file, request, x);
    int reason = errno;
    if (file && fclose(file) != 0 && ok) {
        ok = false;
        reason = errno;
    }
    if (!ok) (void)snprintf(error, error_size, "--record %s: %s", path, strerror(reason));
    return ok;
}

/* ---- Reading ---- */

/* Returns the field's text, zero-terminated by the JSON reader; NULL: the field is no text. */
static const char *text_of(sw_value map, const char *name)
{
    msgpack_object v = sw_get(map, name);
    return v.type == MSGPACK_OBJECT_STR ? v.via.str.ptr : NULL;
}

static uint64_t number_of(sw_value map, const char *name)
{
    msgpack_object v = sw_get(map, name);
    return v.type == MSGPACK_OBJECT_POSITIVE_INTEGER ? v.via.u64 : 0;
}

static const char *const *list_of(arena *a, sw_value map, const char *name)
{
    msgpack_object v = sw_get(map, name);
    uint32_t n = v.type == MSGPACK_OBJECT_ARRAY ? v.via.array.size : 0, count = 0;
    const char **list = arena_alloc(a, (n + 1) * sizeof *list);
    for (uint32_t i = 0; i < n && list; i++)
        if (v.via.array.ptr[i].type == MSGPACK_OBJECT_STR) list[count++] = v.via.array.ptr[i].via.str.ptr;
    if (list) list[count] = NULL;
    return list;
}

static entry_text text_field(sw_value map, const char *name)
{
    msgpack_object v = sw_get(map, name);
    return v.type == MSGPACK_OBJECT_STR ? (entry_text){v.via.str.ptr, v.via.str.size} : (entry_text){"", 0};
}

/* Reads "body" or "body64". False: the latter is no base64, or memory is out. */
static bool body_of(arena *a, sw_value map, http_canned *to)
{
    entry_text plain = text_field(map, "body"), coded = text_field(map, "body64");
    to->body = plain.data;
    to->body_len = plain.len;
    if (coded.len == 0) return true;
    unsigned char *bytes = arena_alloc(a, coded.len);
    if (!bytes || coded.len > INT32_MAX) return false;
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)coded.data, (int)coded.len);
    if (n < 0) return false;
    for (size_t i = coded.len; i > 0 && coded.data[i - 1] == '=' && n > 0; i--) n--;
    to->body = (const char *)bytes;
    to->body_len = (size_t)n;
    return true;
}

static http_call_error_kind error_of(sw_value map)
{
    const char *name = text_of(map, "error");
    for (int i = 0; name && i < HTTP_CALL_ERROR_KINDS; i++)
        if (strcmp(name, http_call_error_name((http_call_error_kind)i)) == 0) return (http_call_error_kind)i;
    return name ? HTTP_CALL_OTHER : HTTP_CALL_OK;
}

static bool pack_into(arena *a, msgpack_sbuffer *from, bool packed, entry_text *to)
{
    *to = (entry_text){packed ? arena_memdup(a, from->data, from->size) : NULL, from->size};
    msgpack_sbuffer_destroy(from);
    return to->data != NULL;
}

static bool recording_read_asked(arena *a, sw_value line, fact *to)
{
    msgpack_sbuffer bytes = {.size = 0};
    const char *hash = text_of(line, "bodyHash");
    call_asked q = {.method = text_of(line, "method"),
                    .url = text_of(line, "url"),
                    .headers = list_of(a, line, "headers"),
                    .key = "",
                    .body_hash = hash ? strtoull(hash, NULL, 16) : 0,
                    .body_len = number_of(line, "bodyBytes")};
    return q.headers && pack_into(a, &bytes, call_asked_pack(&bytes, &q), &to->data);
}

static bool recording_read_answer(arena *a, sw_value line, fact *to)
{
    msgpack_sbuffer bytes = {.size = 0};
    http_canned c = {.error = error_of(line),
                     .error_text = text_of(line, "errorText"),
                     .status = (int)number_of(line, "status"),
                     .headers = list_of(a, line, "responseHeaders")};
    return c.headers && body_of(a, line, &c) && pack_into(a, &bytes, call_answer_pack(&bytes, &c), &to->data);
}

/* Returns whether "status" is an HTTP status, or nil, of a call without an answer. */
static bool value_is_status(msgpack_object v)
{
    return v.type == MSGPACK_OBJECT_NIL ||
           (v.type == MSGPACK_OBJECT_POSITIVE_INTEGER && v.via.u64 >= STATUS_LEAST && v.via.u64 <= STATUS_MOST);
}

/* Reads one call as one fact, or two if it has an answer. Returns NULL, or what is wrong with the line. */
static const char *recording_read_call(arena *a, sw_value line, fact *to, size_t *count)
{
    const char *path = text_of(line, "path"), *method = text_of(line, "method"), *url = text_of(line, "url");
    const char *run = text_of(line, "run");
    char *end = NULL;
    if (!path || !method || !url) return "it is no call: \"path\", \"method\" and \"url\" are missing";
    fact f = {.kind = FACT_CALL,
              .path = strtoull(path, &end, 16),
              .attempt = (uint32_t)number_of(line, "attempt"),
              .number = (uint32_t)number_of(line, "call"),
              .id = text_field(line, "step"),
              .label = text_field(line, "branch")};
    if (end == path || *end) return "\"path\" is no hexadecimal number";
    if (run) f.run = strtoull(run, &end, 16);
    if (run && (end == run || *end)) return "\"run\" is no hexadecimal number";
    msgpack_object status = sw_get(line, "status"), error = sw_get(line, "error");
    if (!value_is_status(status)) return "\"status\" is no number from 100 to 999";
    if (error.type != MSGPACK_OBJECT_NIL && error.type != MSGPACK_OBJECT_STR) return "\"error\" is no text";
    if (error.type == MSGPACK_OBJECT_STR && error.via.str.size == 0) return "\"error\" is empty";
    bool answered = status.type != MSGPACK_OBJECT_NIL || error.type != MSGPACK_OBJECT_NIL;
    to[0] = to[1] = f;
    to[1].kind = FACT_ANSWER;
    *count = answered ? 2 : 1;
    if (!recording_read_asked(a, line, &to[0])) return "out of memory";
    if (answered && !recording_read_answer(a, line, &to[1])) return "\"body64\" is no base64, or memory is out";
    return NULL;
}

static const char *recording_read_line(arena *a, entry_text text, size_t number, fact *to, size_t *count)
{
    sw_value line;
    const char *message = NULL;
    *count = 0;
    assert(number > 0); /* lines are counted from 1: the first is the head */
    if (!json_read(a, text.data, text.len, &line, &message)) return arena_printf(a, "it is not JSON: %s", message);
    if (number > 1) return recording_read_call(a, line, to, count);
    return number_of(line, "stepwellRecording") == VERSION ? NULL : "it is no recording: --record writes one";
}

/* Returns the file's bytes with a zero behind them, in `a`. NULL with a message. */
static char *recording_read_file(arena *a, const recording_file *from, size_t *len, char *error, size_t error_size)
{
    int fd =
        open(from->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* O_NONBLOCK: of a FIFO open() would wait for a writer */
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    char *text = NULL;
    if (!file) {
        (void)snprintf(error, error_size, "--replay %s: %s", from->path, strerror(errno));
        if (fd >= 0) close(fd);
        return NULL;
    }
    struct stat status;
    bool is_file = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
    off_t size = is_file ? status.st_size : 0;
    if (!is_file)
        (void)snprintf(error, error_size, "--replay %s: it is no regular file", from->path);
    else if (size > from->bytes_max)
        (void)snprintf(error, error_size, "--replay %s: it is larger than --prove-memory", from->path);
    else if (!(text = arena_alloc(a, (size_t)size + 1)) || fread(text, 1, (size_t)size, file) != (size_t)size)
        (void)snprintf(error, error_size, "--replay %s: it cannot be read", from->path);
    bool whole = text && !*error;
    if (whole) text[size] = 0;
    *len = (size_t)size;
    (void)fclose(file);
    return whole ? text : NULL;
}

fact *recording_read(arena *a, const recording_file *file, size_t *count, char *error, size_t error_size)
{
    size_t len = 0, lines = 1, number = 0;
    *error = 0;
    *count = 0;
    const char *text = recording_read_file(a, file, &len, error, error_size);
    if (!text) return NULL;
    const char *end = text + len;
    for (const char *p = text; p < end; p++) lines += *p == '\n';
    fact *facts = arena_alloc(a, lines * 2 * sizeof *facts);
    const char *why = facts ? NULL : "out of memory";
    for (const char *at = text; !why && (at < end || number == 0);) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((newline ? newline : end) - at), made = 0;
        number++;
        if (n > 0 || number == 1) why = recording_read_line(a, (entry_text){at, n}, number, facts + *count, &made);
        *count += made;
        assert(*count <= lines * 2);
        at += n + (newline != NULL);
    }
    if (why) (void)snprintf(error, error_size, "--replay %s: line %zu: %s", file->path, number, why);
    return why ? NULL : facts;
}
