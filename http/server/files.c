#include "http/server/files.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "http/server/date.h"
#include "http/uri.h"

enum { ETAG_BYTES = 64 };

typedef enum file_outcome {
    FILE_READ,
    FILE_UNCHANGED,
    FILE_CHANGED,   /* it is not the file that If-Match or If-Unmodified-Since speak of */
    FILE_IS_FOLDER, /* the path has no final slash */
    FILE_MISSING,
    FILE_FAILED
} file_outcome;

/* Owned copies of the request's conditions; NULL: not sent. A pool thread must not look at the exchange, which its loop
 * may end meanwhile. */
typedef struct file_conditions {
    char *match, *none_match;                /* all lines of the header, as one list */
    char *unmodified_since, *modified_since; /* dates */
} file_conditions;

/* One request; made on the loop, worked on by one pool thread at a time, ended on the loop.
 *
 *   looked up --> answered whole, or begun --piece sent, client reads--> next piece is read --> ... --> ended */
typedef struct file_job {
    uv_work_t work;
    uv_loop_t *loop;
    http_exchange *x;
    bool working; /* a pool thread works on the job */
    bool begun;   /* the head is sent: pieces follow */
    int fd;       /* of a file that is sent in pieces; -1: none */
    file_conditions conditions;
    bool wants_body;
    bool wants_folder; /* the path ends in a slash or is empty */
    file_outcome outcome;
    char *piece; /* owned; the bytes that were read last */
    size_t piece_len;
    size_t size, sent;           /* of the file as it was looked up; of it sent */
    struct timespec modified_at; /* of the file as it was looked up */
    char etag[ETAG_BYTES];
    char modified[HTTP_DATE_BYTES];
    char *path;   /* decoded, relative; in texts */
    char texts[]; /* the folder, then the path, with room for "index.html" */
} file_job;

static const char *file_content_type(const char *path)
{
    static const struct {
        const char *extension, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {".map", "application/json"},
        {".md", "text/markdown; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".csv", "text/csv; charset=utf-8"},
        {".xml", "application/xml"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".wasm", "application/wasm"},
        {".pdf", "application/pdf"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(dot, types[i].extension) == 0) return types[i].type;
    }
    return "application/octet-stream";
}

/* Opens a file for kernels before 5.6 and sandboxes, which have no openat2: the path with its links resolved must lie
 * below the folder. -1 with errno. */
static int file_open_checked(const char *dir, const char *path)
{
    char *whole = NULL, *real_dir = realpath(dir, NULL), *real = NULL;
    int fd = -1;
    if (real_dir && asprintf(&whole, "%s/%s", real_dir, path) >= 0)
        real = realpath(whole, NULL);
    else
        whole = NULL;
    size_t len = real_dir ? strlen(real_dir) : 0;
    if (len == 1) len = 0; /* "/" */
    if (real && strncmp(real, real_dir, len) == 0 && (real[len] == '/' || real[len] == 0))
        fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    int reason = errno;
    free(whole);
    free(real_dir);
    free(real);
    errno = reason;
    return fd;
}

/* Opens the file at `path` below the folder, never through a link that leads out of it. -1 with errno. */
static int file_open_below(const char *dir, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -1;
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how)), reason = errno;
    close(root);
    errno = reason;
    return fd < 0 && (reason == ENOSYS || reason == EPERM) ? file_open_checked(dir, path) : fd;
}

/* How entity tags are compared (RFC 9110, 8.8.3.2). Our tags are strong. */
typedef enum etag_comparison {
    ETAG_WEAK,
    ETAG_STRONG /* a weak tag in the list equals none */
} etag_comparison;

/* True if the list of a condition (RFC 9110, 13.1) has the tag, or is "*". */
static bool etag_listed(const char *list, const char *etag, etag_comparison comparison)
{
    assert(etag[0] == '"');
    if (strcmp(list, "*") == 0) return true;
    for (const char *at = list; *at;) {
        bool weak = strncmp(at, "W/\"", 3) == 0;
        if (weak) at += 2;
        const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (!end) { /* no tag begins here */
            at++;
            continue;
        }
        size_t len = (size_t)(end + 1 - at);
        if (!(weak && comparison == ETAG_STRONG) && strlen(etag) == len && memcmp(at, etag, len) == 0) return true;
        at = end + 1;
    }
    return false;
}

/* *later: the file was modified after `date`. False: the text is no date, as if the condition were not there. */
static bool date_is_later(time_t modified, const char *date, bool *later)
{
    time_t since = date ? curl_getdate(date, NULL) : -1;
    *later = since != -1 && modified > since;
    return since != -1;
}

/* Judges the conditions in the order of RFC 9110, 13.2.2. FILE_READ: all allow it. */
static file_outcome file_judge(const file_job *job, time_t modified)
{
    const file_conditions *on = &job->conditions;
    bool later;
    if (on->match) {
        if (!etag_listed(on->match, job->etag, ETAG_STRONG)) return FILE_CHANGED;
    } else if (date_is_later(modified, on->unmodified_since, &later) && later) {
        return FILE_CHANGED;
    }
    if (on->none_match) return etag_listed(on->none_match, job->etag, ETAG_WEAK) ? FILE_UNCHANGED : FILE_READ;
    return date_is_later(modified, on->modified_since, &later) && !later ? FILE_UNCHANGED : FILE_READ;
}

static bool file_is_unchanged(const file_job *job)
{
    struct stat now;
    return fstat(job->fd, &now) == 0 && (size_t)now.st_size == job->size &&
           now.st_mtim.tv_sec == job->modified_at.tv_sec && now.st_mtim.tv_nsec == job->modified_at.tv_nsec;
}

/* Reads the next piece, on a pool thread; FILE_FAILED also when the file has changed since its tag and length were
 * told.
 */
static file_outcome file_read_piece(file_job *job)
{
    assert(!job->piece && job->fd >= 0);
    assert(job->sent <= job->size);
    size_t left = job->size - job->sent, want = left < HTTP_FILE_PIECE_BYTES ? left : HTTP_FILE_PIECE_BYTES;
    job->piece_len = 0;
    job->piece = malloc(want + 1);
    if (!job->piece) return FILE_FAILED;
    while (job->piece_len < want) {
        ssize_t n =
            pread(job->fd, job->piece + job->piece_len, want - job->piece_len, (off_t)(job->sent + job->piece_len));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return FILE_FAILED;
        job->piece_len += (size_t)n;
    }
    return file_is_unchanged(job) ? FILE_READ : FILE_FAILED;
}

static file_outcome file_take(file_job *job)
{
    struct stat about;
    assert(!job->begun && job->sent == 0);
    if (fstat(job->fd, &about) != 0) return FILE_FAILED;
    if (S_ISDIR(about.st_mode)) return job->wants_folder ? FILE_MISSING : FILE_IS_FOLDER;
    if (!S_ISREG(about.st_mode)) return FILE_MISSING;
    job->size = (size_t)about.st_size;
    job->modified_at = about.st_mtim;
    snprintf(job->etag, sizeof(job->etag), "\"%llx-%llx-%lx\"", (unsigned long long)about.st_size,
             (unsigned long long)about.st_mtim.tv_sec, about.st_mtim.tv_nsec);
    http_date(about.st_mtim.tv_sec, job->modified);
    file_outcome outcome = file_judge(job, about.st_mtim.tv_sec);
    return outcome == FILE_READ && job->wants_body ? file_read_piece(job) : outcome;
}

static file_outcome file_look_up(file_job *job)
{
    if (job->wants_folder) strcat(job->path, "index.html");
    job->fd = file_open_below(job->texts, job->path);
    if (job->fd >= 0) return file_take(job);
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO ? FILE_FAILED : FILE_MISSING;
}

static void file_on_work(uv_work_t *work)
{
    file_job *job = work->data;
    job->outcome = job->begun ? file_read_piece(job) : file_look_up(job);
}

/* `title` NULL: the status's own. */
static void file_reply_problem(http_exchange *x, int status, const char *title)
{
    const http_reply_header headers[] = {
        {"Content-Type", "application/problem+json"},
        {status == 405 ? "Allow" : "Retry-After", status == 405 ? "GET, HEAD, OPTIONS" : "1"}};
    char body[256];
    const char *detail = status == 405 ? "the methods of this path are GET, HEAD, OPTIONS" : NULL;
    size_t len = http_problem_body(body, sizeof(body), status, title, detail);
    assert(len > 0);
    http_reply(x, status, headers, status == 405 || status == 503 ? 2 : 1, (http_text){body, len});
}

/* Redirects to the request's path with a slash behind it. Ends the exchange. */
static void file_redirect(http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    char *to = NULL;
    /* "//name/" would be a URL of the host "name" */
    if (r->path.data[0] != '/' || r->path.data[1] == '/' ||
        asprintf(&to, "%s/%s%s", r->path.data, r->query.len > 0 ? "?" : "", r->query.data) < 0) {
        file_reply_problem(x, 404, NULL);
        return;
    }
    http_reply_header location = {"Location", to};
    http_reply(x, 308, &location, 1, (http_text){"", 0});
    free(to);
}

static void file_job_free(file_job *job)
{
    assert(!job->working); /* else a thread would use freed memory */
    if (job->fd >= 0) close(job->fd);
    free(job->conditions.match);
    free(job->conditions.none_match);
    free(job->conditions.unmodified_since);
    free(job->conditions.modified_since);
    free(job->piece);
    free(job);
}

/* ---- Files in pieces ---- */

static void file_on_done(uv_work_t *work, int status);

static void file_read_next(file_job *job)
{
    assert(job->begun && !job->working);
    assert(job->sent < job->size);
    job->working = uv_queue_work(job->loop, &job->work, file_on_work, file_on_done) == 0;
    if (job->working) return;
    http_reply_abort(job->x);
    file_job_free(job);
}

static void on_file_writable(http_exchange *x)
{
    file_job *job = http_exchange_user(x);
    if (!job->working) file_read_next(job);
}

static void on_file_gone(http_exchange *x)
{
    file_job *job = http_exchange_user(x);
    if (job->working) return; /* file_send_piece() sees it when the thread is done */
    http_reply_abort(x);
    file_job_free(job);
}

static void file_send_piece(file_job *job)
{
    http_exchange *x = job->x;
    assert(job->begun && !job->working);
    bool failed = job->outcome != FILE_READ || http_exchange_gone(x);
    if (!failed) http_reply_write(x, job->piece, job->piece_len);
    job->sent += job->piece_len;
    free(job->piece);
    job->piece = NULL;
    if (!failed && job->sent < job->size) {
        if (http_exchange_writable(x)) file_read_next(job);
        return;
    }
    http_exchange_on_gone(x, NULL);
    if (failed)
        http_reply_abort(x);
    else
        http_reply_end(x);
    file_job_free(job);
}

/* ---- Answers ---- */

static void file_reply(file_job *job, int status)
{
    const http_reply_header headers[] = {{"Content-Type", file_content_type(job->path)},
                                         {"ETag", job->etag},
                                         {"Last-Modified", job->modified},
                                         {"Cache-Control", "no-cache"},
                                         {"X-Content-Type-Options", "nosniff"}};
    const size_t count = sizeof(headers) / sizeof(headers[0]);
    assert(status == 304 || !job->wants_body || job->piece);
    if (!job->piece || job->piece_len == job->size) {
        http_reply(job->x, status, headers, count, (http_text){job->piece, job->size});
        file_job_free(job);
        return;
    }
    if (!http_exchange_may_open(job->x, job->fd)) {
        file_reply_problem(job->x, 503, "There is no room for another open file");
        file_job_free(job);
        return;
    }
    job->begun = true;
    http_exchange_set_user(job->x, job);
    http_exchange_queue_max(job->x, 0); /* the next piece is read when the kernel has all of this one */
    http_exchange_on_writable(job->x, on_file_writable);
    http_exchange_on_gone(job->x, on_file_gone);
    http_reply_begin_sized(job->x, status, headers, count, job->size);
    file_send_piece(job);
}

static void file_answer(file_job *job)
{
    http_exchange *x = job->x;
    if (job->outcome == FILE_READ || job->outcome == FILE_UNCHANGED) {
        file_reply(job, job->outcome == FILE_READ ? 200 : 304);
        return;
    }
    if (job->outcome == FILE_IS_FOLDER)
        file_redirect(x);
    else if (job->outcome == FILE_CHANGED)
        file_reply_problem(x, 412, NULL);
    else if (job->outcome == FILE_MISSING)
        file_reply_problem(x, 404, NULL);
    else
        file_reply_problem(x, 500, "The file could not be read");
    file_job_free(job);
}

static void file_on_done(uv_work_t *work, int status)
{
    file_job *job = work->data;
    assert(job->working);
    job->working = false;
    if (status != 0) job->outcome = FILE_FAILED;
    if (job->begun)
        file_send_piece(job);
    else
        file_answer(job);
}

/* True if each segment is a plain name: not empty, not beginning with a dot. */
static bool path_is_plain(const char *path)
{
    for (const char *at = path; *at; at++) {
        bool begins = at == path || at[-1] == '/';
        if (begins && (*at == '/' || *at == '.')) return false;
    }
    return true;
}

/* Returns a job for the file; *valid: the path may be looked for. NULL: out of memory. */
static file_job *file_job_new(const char *dir, const char *path, bool *valid)
{
    size_t dir_size = strlen(dir) + 1, path_len = strlen(path), decoded;
    file_job *job = calloc(1, sizeof(*job) + dir_size + path_len + sizeof("index.html"));
    if (!job) return NULL;
    memcpy(job->texts, dir, dir_size);
    job->fd = -1;
    job->path = job->texts + dir_size;
    *valid = uri_decode_path(path, path_len, job->path, &decoded) && path_is_plain(job->path);
    job->wants_folder = *valid && (decoded == 0 || job->path[decoded - 1] == '/');
    return job;
}

/* Copies the header's first line: a date has no second one. False: out of memory. */
static bool conditions_copy_date(const http_request *r, const char *name, char **copy)
{
    const char *value = http_request_header(r, name);
    *copy = value ? strdup(value) : NULL;
    return !value || *copy;
}

static bool header_is_named(const http_header *h, const char *name) { return strcasecmp(h->name.data, name) == 0; }

/* Copies all lines of the header, with commas between them. False: out of memory. */
static bool conditions_copy_list(const http_request *r, const char *name, char **copy)
{
    size_t bytes = 0;
    *copy = NULL;
    for (size_t i = 0; i < r->header_count; i++)
        if (header_is_named(&r->headers[i], name)) bytes += r->headers[i].value.len + 2;
    if (bytes == 0) return true;
    char *to = *copy = malloc(bytes + 1);
    for (size_t i = 0; to && i < r->header_count; i++) {
        if (!header_is_named(&r->headers[i], name)) continue;
        if (to != *copy) to = stpcpy(to, ", ");
        to = stpcpy(to, r->headers[i].value.data);
    }
    return *copy != NULL;
}

static bool conditions_copy(const http_request *r, file_conditions *to)
{
    return conditions_copy_list(r, "if-match", &to->match) &&
           conditions_copy_list(r, "if-none-match", &to->none_match) &&
           conditions_copy_date(r, "if-unmodified-since", &to->unmodified_since) &&
           conditions_copy_date(r, "if-modified-since", &to->modified_since);
}

void http_files_serve(uv_loop_t *loop, http_exchange *x, const char *dir, const char *path)
{
    const http_request *r = http_exchange_request(x);
    bool is_get = strcmp(r->method.data, "GET") == 0, valid = false;
    if (!is_get && strcmp(r->method.data, "HEAD") != 0) {
        file_reply_problem(x, 405, NULL);
        return;
    }
    if (!*path) { /* the folder without its slash: browsers would look for what its page links to beside the folder */
        file_redirect(x);
        return;
    }
    file_job *job = file_job_new(dir, path + strspn(path, "/"), &valid);
    if (!job || !valid) {
        file_reply_problem(x, job ? 404 : 503, NULL);
        free(job);
        return;
    }
    job->x = x;
    job->loop = loop;
    job->wants_body = is_get;
    job->work.data = job;
    if (!conditions_copy(r, &job->conditions) || uv_queue_work(loop, &job->work, file_on_work, file_on_done) != 0) {
        file_reply_problem(x, 503, NULL);
        file_job_free(job);
        return;
    }
    job->working = true;
}
