/* served: a Stepwell program as a child process of a test, and plain blocking calls to it. The child is this very test
 * program, started with "--serve" as its first argument. */
#ifndef TESTS_HARNESS_SERVED_H
#define TESTS_HARNESS_SERVED_H

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/check.h"

typedef struct served {
    pid_t pid;
    int log;          /* its standard error */
    char address[64]; /* "http://127.0.0.1:1234" */
    char admin[128];  /* of the admin API; "": it has no address of its own */
} served;

static char root[64];             /* the test's folder, while its cases run */
static char served_program[4096]; /* of this test, for exec */
static served server;             /* most tests have one at a time */
static int served_log = -1;       /* of the server started last, to show when a call fails */
/* Most tests ask all of one address. That of the admin API is for those that are about it, `admin` above. */
static bool served_admin_on_public = true;
enum { SERVED_ARGS_MAX = 32 };

/* `extra` are further flags, NULL-terminated; the listening address is chosen here. False: it ended before it served;
 * then *log_text holds what it said and *exit_code how it ended. */
static inline bool served_try(served *s, const char *const *extra, char *log_text, size_t log_size, int *exit_code)
{
    static const char *const on_public[] = {"--admin-on-public", "--admin-listen", "none"};
    int pipe_fds[2];
    CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
    fflush(stdout);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0) {
        const char *argv[SERVED_ARGS_MAX] = {served_program, "--serve", "--listen", "127.0.0.1:0"};
        int n = 4;
        for (size_t i = 0; served_admin_on_public && i < sizeof on_public / sizeof *on_public; i++)
            argv[n++] = on_public[i];
        for (; *extra && n < SERVED_ARGS_MAX - 1; extra++) argv[n++] = *extra;
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0); /* a failed check must not leave it running, with our output */
        dup2(pipe_fds[1], STDOUT_FILENO);
        dup2(pipe_fds[1], STDERR_FILENO);
        execv(served_program, (char **)(uintptr_t)argv);
        _exit(127);
    }
    close(pipe_fds[1]);
    s->log = pipe_fds[0];
    size_t len = 0;
    log_text[0] = 0;
    for (;;) {
        struct pollfd p = {.fd = s->log, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        ssize_t n = read(s->log, log_text + len, log_size - 1 - len);
        if (n <= 0) break;
        len += (size_t)n;
        log_text[len] = 0;
        const char *at = strstr(log_text, "listening on "), *end = at ? strchr(at, '\n') : NULL;
        if (!end) continue;
        served_log = s->log;
        snprintf(s->address, sizeof s->address, "%.*s", (int)strcspn(at + 13, "\"\n"), at + 13);
        const char *admin = strstr(log_text, "the admin API is at ");
        if (admin) admin += strlen("the admin API is at ");
        snprintf(s->admin, sizeof s->admin, "%.*s", admin ? (int)strcspn(admin, "\"\n") : 0, admin ? admin : "");
        return true;
    }
    int status = 0;
    CHECK(waitpid(s->pid, &status, 0) == s->pid);
    close(s->log);
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return false;
}

static inline void served_start(served *s, const char *const *extra)
{
    char log_text[8192];
    int exit_code = 0;
    if (served_try(s, extra, log_text, sizeof log_text, &exit_code)) return;
    printf("# the server ended with %d: %s\n", exit_code, log_text);
    CHECK(!"the server did not start");
}

/* Ends it and returns the exit code, or minus the signal. */
static inline int served_stop(served *s, int signal_number)
{
    int status = 0;
    CHECK(kill(s->pid, signal_number) == 0);
    static char rest[262144];
    size_t len = 0;
    for (ssize_t n; len < sizeof rest - 1 && (n = read(s->log, rest + len, sizeof rest - 1 - len)) > 0;)
        len += (size_t)n;
    rest[len] = 0;
    if (strstr(rest, "Sanitizer") || strstr(rest, "runtime error") || strstr(rest, "Assertion")) printf("# %s\n", rest);
    CHECK(waitpid(s->pid, &status, 0) == s->pid);
    close(s->log);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

typedef struct answer {
    long status;
    char head[8192], body[262144]; /* zero-terminated; more fails the test */
    size_t head_len, body_len;
} answer;

static inline size_t answer_take(char *to, size_t *len, size_t size, const char *data, size_t n)
{
    CHECK(*len + n < size);
    memcpy(to + *len, data, n);
    *len += n;
    to[*len] = 0;
    return n;
}

static inline size_t answer_head(char *data, size_t size, size_t n, void *arg)
{
    answer *a = arg;
    if (size * n >= 5 && memcmp(data, "HTTP/", 5) == 0) a->head_len = 0;
    return answer_take(a->head, &a->head_len, sizeof a->head, data, size * n);
}

static inline size_t answer_body(char *data, size_t size, size_t n, void *arg)
{
    answer *a = arg;
    return answer_take(a->body, &a->body_len, sizeof a->body, data, size * n);
}

/* One request. `method` NULL: GET. `headers` may be NULL; `follow`: redirects to follow. False: no answer came. */
static inline bool call_try(const char *method, const char *url, const char *const *headers, const char *body,
                            long follow, answer *a)
{
    memset(a, 0, sizeof *a);
    CURL *h = curl_easy_init();
    struct curl_slist *list = NULL;
    CHECK(h);
    for (; headers && *headers; headers++) list = curl_slist_append(list, *headers);
    curl_easy_setopt(h, CURLOPT_URL, url);
    if (method) curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    if (body) curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, answer_head);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, answer_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    if (follow > 0) {
        curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(h, CURLOPT_MAXREDIRS, follow);
    }
    CURLcode rc = curl_easy_perform(h);
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &a->status);
    curl_slist_free_all(list);
    curl_easy_cleanup(h);
    return rc == CURLE_OK;
}

static inline void call(const char *method, const char *url, const char *const *headers, const char *body, long follow,
                        answer *a)
{
    if (call_try(method, url, headers, body, follow, a)) return;
    char said[16384];
    ssize_t n;
    printf("# no answer from %s; the server's last words:\n", url);
    (void)fcntl(served_log, F_SETFL, O_NONBLOCK); /* it may live, and say no more */
    while ((n = read(served_log, said, sizeof said)) > 0) fwrite(said, 1, (size_t)n, stdout);
    CHECK(!"no answer");
}

/* Asks like call, again as long as the answer is 503, which a slow machine gets of a run that is about to be read
 * after a start, or whose end is on disk and not known to its loop yet. */
static inline void call_patiently(const char *method, const char *url, const char *const *headers, const char *body,
                                  answer *a)
{
    enum { PAUSE_MS = 5 };
    for (int i = 0; i < PATIENCE_MS / PAUSE_MS; i++) {
        call(method, url, headers, body, 0, a);
        if (a->status != 503) return;
        usleep(PAUSE_MS * 1000);
    }
}

/* The URL of a path of the server, until the next call of this function. */
static inline const char *server_url(const char *path)
{
    static char url[2048];
    CHECK((size_t)snprintf(url, sizeof url, "%s%s", server.address, path) < sizeof url);
    return url;
}

static inline struct sockaddr_in server_sockaddr(void)
{
    char host[64];
    int port = 0;
    struct sockaddr_in to = {.sin_family = AF_INET};
    CHECK(sscanf(server.address, "http://%63[^:]:%d", host, &port) == 2);
    CHECK(inet_pton(AF_INET, host, &to.sin_addr) == 1);
    to.sin_port = htons((uint16_t)port);
    return to;
}

/* A connection to the server, which the caller closes; reading from it fails after PATIENCE_MS. */
static inline int server_dial(void)
{
    struct sockaddr_in to = server_sockaddr();
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

/* The value of the server's metric stepwell_`name`. */
static inline long server_metric(const char *name)
{
    static answer page;
    char line[128];
    call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &page);
    snprintf(line, sizeof line, "\nstepwell_%s ", name);
    const char *at = strstr(page.body, line);
    CHECK(at);
    return strtol(at + strlen(line), NULL, 10);
}

/* The value of a header of the last answer, "" if it has none. */
static inline const char *answer_header(const answer *a, const char *name, char *out, size_t out_size)
{
    size_t len = strlen(name);
    out[0] = 0;
    for (const char *line = a->head; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncasecmp(line, name, len) != 0 || line[len] != ':') continue;
        const char *value = line + len + 1;
        while (*value == ' ') value++;
        snprintf(out, out_size, "%.*s", (int)strcspn(value, "\r\n"), value);
        return out;
    }
    return out;
}

/* Begins a run by a request that waits for 202 alone, and writes the path of its output's URL. */
static inline void server_begin(const char *method, const char *path, char *output, size_t size)
{
    static answer accepted;
    char location[2048];
    call(method, server_url(path), (const char *const[]){"Prefer: respond-async", NULL}, method ? "" : NULL, 0,
         &accepted);
    CHECK_INT(accepted.status, 202);
    const char *found = strstr(answer_header(&accepted, "Location", location, sizeof location), "/_sw/");
    CHECK(found && (size_t)snprintf(output, size, "%s", found) < size);
}

/* The path of a run's stream, of the path of its output. */
static inline void stream_of_output(const char *output, char *stream, size_t size)
{
    const char *query = strstr(output, "/output?");
    CHECK(query);
    snprintf(stream, size, "%.*s/stream%s", (int)(query - output), output, query + 7);
}

/* A new empty folder; the caller removes it with remove_tree. */
static inline void make_folder(char out[64])
{
    snprintf(out, 64, "/tmp/stepwell-test-XXXXXX");
    CHECK(mkdtemp(out) != NULL);
}

static inline void remove_tree(const char *path)
{
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    CHECK_INT(system(command), 0);
}

/* Memory that this process and its children see, through a file. */
static inline void *share_memory(const char *path, size_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    close(fd);
    return memory;
}

/* Makes the file of an operator's token below `root`, and the value of --token that names it. */
static inline void operator_token(char flag[256], const char *name_and_scopes, const char *secret)
{
    char path[128];
    snprintf(path, sizeof path, "%s/token-%.*s", root, (int)strcspn(name_and_scopes, ":"), name_and_scopes);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(secret, f) >= 0 && fclose(f) == 0 && chmod(path, 0600) == 0);
    snprintf(flag, 256, "%s:%s", name_and_scopes, path);
}

/* The memory of zeros that a test and its server note things in: a file below `root`, which NOTES names to the server.
 */
static inline void *served_notes(size_t size)
{
    char path[128];
    if (!getenv("NOTES")) {
        snprintf(path, sizeof path, "%s/notes", root);
        CHECK(setenv("NOTES", path, 1) == 0);
    }
    return share_memory(getenv("NOTES"), size);
}

typedef struct served_test {
    int (*serve)(int argc, char **argv); /* the server: it ends with it */
    void (*prepare)(void);               /* before the first case, when `root` is there; NULL: nothing */
    const check_case *cases;
    size_t count;
} served_test;

/* What main does: with "--serve" it serves, else it runs the cases and removes `root` behind them. */
static inline int served_main(const served_test *t, int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        argv[1] = argv[0];
        return t->serve(argc - 1, argv + 1);
    }
    snprintf(served_program, sizeof served_program, "%s", argv[0]);
    make_folder(root);
    if (t->prepare) t->prepare();
    int result = check_run(t->cases, t->count, argc, argv);
    remove_tree(root);
    return result;
}

#define SERVED_MAIN(serve, prepare, cases)                                                                             \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        return served_main(&(served_test){serve, prepare, cases, sizeof(cases) / sizeof((cases)[0])}, argc, argv);     \
    }

/* The main of a test whose server notes things in *notes. */
#define SERVED_MAIN_NOTES(serve, notes, cases)                                                                         \
    static void share_notes(void) { (notes) = served_notes(sizeof *(notes)); }                                         \
    SERVED_MAIN(serve, share_notes, cases)

#endif
