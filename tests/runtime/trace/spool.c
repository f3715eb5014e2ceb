/* The spool: what is in it when its process dies is in the next process's, each span once; what finds no room is
 * counted; and a file may hold anything. */
#include "runtime/trace/spool.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/check.h"

static char path[64];
static char warning[512];

static void begin(void)
{
    char folder[32] = "/tmp/stepwell-spool-XXXXXX";
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/spans", folder);
}

static void end(void)
{
    (void)unlink(path);
    *strrchr(path, '/') = 0;
    CHECK_INT(rmdir(path), 0); /* nothing else is left there */
}

static spool *open_spool(size_t ready_max)
{
    spool *s = spool_open(path, ready_max, warning, sizeof warning);
    CHECK(s);
    CHECK_STR(warning, "");
    return s;
}

static span *fill(span *p, uint64_t id, const char *name)
{
    CHECK(p);
    p->id = id;
    p->trace[0] = 1;
    p->kind = SPAN_INTERNAL;
    p->began_ns = span_now_ns();
    p->began_us = 1;
    span_put_text(p, SPAN_NAME, name);
    return p;
}

static void make_ready(spool *s, uint64_t id, const char *name)
{
    span *p = fill(spool_begin_ended(s), id, name);
    p->ended_ns = p->began_ns + 1;
    (void)spool_ready(s, p);
}

static bool says(const span *p, span_key key, const char *text)
{
    span_item item;
    for (size_t at = 0; span_next(p, &at, &item);)
        if (item.key == key && !item.is_number && item.len == strlen(text) && memcmp(item.text, text, item.len) == 0)
            return true;
    return false;
}

static span *begin_request(spool *s, uint64_t id, uint8_t run)
{
    span *p = fill(spool_begin(s), id, "request");
    p->is_request = true;
    p->run[0] = run;
    spool_keep(s, p);
    return p;
}

/* The former process is gone without a word: its memory is not, which changes nothing. */
static void test_killed(void)
{
    span *taken[8];
    begin();
    spool *former = open_spool(16);
    make_ready(former, 1, "ready");
    make_ready(former, 2, "being sent");
    CHECK_INT(spool_take(former, taken, 1), 1);
    span *open = fill(spool_begin(former), 3, "open");
    spool_keep(former, open);
    (void)fill(spool_begin(former), 4, "not begun"); /* killed before it was whole */
    spool_drop(former, fill(spool_begin(former), 5, "dropped"));
    span *held = begin_request(former, 6, 9);
    held->ended_ns = held->began_ns + 5;
    spool_hold(held);
    (void)begin_request(former, 7, 3);
    (void)begin_request(former, 8, 5);
    spool *s = open_spool(16);
    CHECK_INT(spool_figures_of(s).waiting, 3);
    CHECK_INT(spool_take(s, taken, 8), 3);
    for (int i = 0; i < 3; i++) {
        bool cut = taken[i]->id == 3;
        CHECK(taken[i]->id >= 1 && taken[i]->id <= 3);
        CHECK(says(taken[i], SPAN_ERROR_TYPE, "process_ended") == cut);
        CHECK_INT(taken[i]->status, cut ? SPAN_ERROR : SPAN_UNSET);
        CHECK(taken[i]->ended_ns >= taken[i]->began_ns);
    }
    spool_free(s, taken, 3);
    CHECK(spool_former_alive_ms(s) > 0);
    spool_former f;
    for (size_t i = 0; i < 3; i++) {
        CHECK(spool_former_at(s, i, &f));
        CHECK_INT(f.run[0], 3 + 2 * (int)i + (i == 2 ? 2 : 0));
        CHECK_INT(f.is_held, i == 2);
    }
    CHECK(!spool_former_at(s, 3, &f));
    uint8_t run[16] = {9};
    span *over = spool_take_former(s, run);
    CHECK(over && !spool_take_former(s, run));
    spool_settle(s, over);
    run[0] = 5;
    spool_settle(s, spool_take_former(s, run));
    run[0] = 4;
    CHECK(!spool_take_former(s, run));
    CHECK_INT(spool_take(s, taken, 8), 2);
    CHECK(taken[0]->id == 6 && taken[0]->status == SPAN_UNSET && taken[0]->ended_ns == taken[0]->began_ns + 5);
    CHECK(taken[1]->id == 8 && taken[1]->status == SPAN_ERROR);
    /* That process dies too, before it has sent them, and before it knew of run 3. */
    spool *third = open_spool(4);
    CHECK_INT(spool_figures_of(third).waiting, 2);
    CHECK(spool_former_at(third, 0, &f) && f.run[0] == 3 && !spool_former_at(third, 1, &f));
    spool_close(former);
    spool_close(s);
    spool_close(third);
    end();
}

/* What the former process said of a run's end is true only if the run is on disk; and of two records of one run, which
 * two kills in a row leave, one counts. */
static void test_held(void)
{
    for (unsigned seed = 0; seed < 8; seed++) {
        const bool is_failed = seed & 1, is_on_disk = seed & 2, comes_first = seed & 4;
        spool_former f;
        span *taken[8];
        begin();
        spool *former = open_spool(16);
        if (!comes_first) (void)begin_request(former, 6, 9);
        span *held = begin_request(former, 6, 9);
        if (comes_first) (void)begin_request(former, 6, 9);
        held->ended_ns = held->began_ns + 5;
        span_put_number(held, SPAN_HTTP_STATUS, is_failed ? 500 : 200);
        if (is_failed) span_fail(held, "500", "broken");
        span_put_text(held, SPAN_RUN_OUTCOME, is_failed ? "failed" : "succeeded");
        spool_hold(held);
        spool *s = open_spool(16);
        CHECK(spool_former_at(s, 0, &f) && f.is_held && !spool_former_at(s, 1, &f));
        if (is_on_disk)
            spool_settle(s, spool_take_former(s, f.run));
        else
            spool_cut(s, spool_take_former(s, f.run));
        CHECK(spool_former_at(s, 0, &f) && !f.is_held); /* it has been taken */
        CHECK_INT(spool_take(s, taken, 8), 1);
        CHECK(says(taken[0], SPAN_NAME, "request"));
        CHECK(says(taken[0], SPAN_RUN_OUTCOME, is_failed ? "failed" : "succeeded") == is_on_disk);
        CHECK(says(taken[0], SPAN_ERROR_TYPE, "500") == (is_on_disk && is_failed));
        CHECK(says(taken[0], SPAN_ERROR_TYPE, "process_ended") == !is_on_disk);
        CHECK_INT(taken[0]->status, is_on_disk && !is_failed ? SPAN_UNSET : SPAN_ERROR);
        spool_free(s, taken, 1);
        for (uint64_t i = 1; i <= 16; i++) CHECK(fill(spool_begin(s), i, "each record is free")); /* none is lost */
        spool_close(former);
        spool_close(s);
        end();
    }
}

static void test_full(void)
{
    span *taken[64];
    begin();
    spool *s = open_spool(4);
    for (uint64_t i = 1; i <= 4; i++) CHECK(fill(spool_begin(s), i, "under way"));
    CHECK(!spool_begin(s));
    for (uint64_t i = 5; i <= 8; i++) make_ready(s, i, "ready");
    CHECK(!spool_begin_ended(s));
    CHECK_INT(spool_figures_of(s).dropped, 1);
    CHECK_INT(spool_take(s, taken, 2), 2);
    CHECK(!spool_begin_ended(s)); /* what is being sent has its place */
    spool_free(s, taken, 2);
    make_ready(s, 9, "ready");
    CHECK_INT(spool_figures_of(s).waiting, 3);
    CHECK_INT(spool_figures_of(s).dropped, 2);
    spool_close(s);
    s = open_spool(1); /* a smaller one: what it has no room for is counted */
    CHECK_INT(spool_figures_of(s).waiting, 2);
    CHECK_INT(spool_figures_of(s).dropped, 1);
    spool_close(s);
    end();
}

/* A file of another version, a damaged one, one that cannot be made, none. */
static void test_files(void)
{
    static char junk[3 * SPAN_RECORD_BYTES];
    begin();
    spool *s = open_spool(8);
    make_ready(s, 1, "ready");
    spool_close(s);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    for (unsigned seed = 1; seed < 300; seed++) { /* each time another part is overwritten, but for the head */
        for (size_t i = 0; i < sizeof junk; i++) junk[i] = (char)((seed * 2654435761U + i * 40503U) >> (seed % 13 + 5));
        CHECK(pwrite(fd, junk, sizeof junk, SPAN_RECORD_BYTES + seed * 37 % 4096) > 0);
        s = open_spool(8);
        span *taken[16];
        size_t n = spool_take(s, taken, 16);
        for (size_t i = 0; i < n; i++) {
            span_item item;
            for (size_t at = 0; span_next(taken[i], &at, &item);)
                CHECK(item.is_number || (item.text >= taken[i]->items &&
                                         item.text + item.len <= taken[i]->items + sizeof taken[i]->items));
        }
        spool_close(s);
        close(fd);
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    CHECK_INT(ftruncate(fd, 100), 0);
    s = open_spool(8);
    CHECK_INT(spool_figures_of(s).waiting, 0);
    spool_close(s);
    close(fd);
    struct stat st;
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    char inside[80];
    CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0); /* a file that cannot be put in its place */
    snprintf(inside, sizeof inside, "%s/full", path);
    CHECK(mkdir(inside, 0700) == 0);
    s = spool_open(path, 8, warning, sizeof warning);
    CHECK(s && strncmp(warning, path, strlen(path)) == 0 && strstr(warning, "lost with the process"));
    snprintf(inside, sizeof inside, "%s.new", path);
    CHECK(access(inside, F_OK) != 0);
    make_ready(s, 1, "in memory");
    CHECK_INT(spool_figures_of(s).waiting, 1);
    spool_close(s);
    snprintf(inside, sizeof inside, "%s/full", path);
    CHECK(rmdir(inside) == 0 && rmdir(path) == 0);
    s = spool_open("/proc/none/spans", 8, warning, sizeof warning);
    CHECK(s && strstr(warning, "/proc/none/spans: "));
    make_ready(s, 1, "in memory");
    CHECK_INT(spool_figures_of(s).waiting, 1);
    spool_close(s);
    s = spool_open(NULL, 8, warning, sizeof warning);
    CHECK(s && !*warning);
    spool_close(s);
    end();
}

/* KiB of the spool's file that this process has touched. */
static long touched_kib(void)
{
    char line[512];
    long kib = -1;
    bool is_ours = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    CHECK(f);
    while (fgets(line, sizeof line, f)) {
        if (strchr(line, '-') < strchr(line, ' ') && strchr(line, '-')) is_ours = strstr(line, path) != NULL;
        if (is_ours && strncmp(line, "Rss:", 4) == 0) kib = strtol(line + 4, NULL, 10);
    }
    fclose(f);
    CHECK(kib >= 0);
    return kib;
}

/* What nobody uses stays clean: the kernel would write it to the disk again and again. */
static void test_idle(void)
{
    begin();
    spool *s = open_spool(8192); /* 16 MiB */
    for (int i = 0; i < 3; i++) spool_tend(s);
    CHECK(touched_kib() > 16 && touched_kib() < 1024);
    for (uint64_t i = 1; i <= 4000; i++) make_ready(s, i, "busy");
    CHECK(touched_kib() > 4000);
    spool_close(s);
    end();
}

enum { THREADS = 3, SPANS_EACH = 5000 };
static spool *shared;

static void *make_many(void *arg)
{
    for (uint64_t i = 1; i <= SPANS_EACH; i++) {
        span *p;
        while (!(p = spool_begin(shared))) usleep(10);
        (void)fill(p, (uint64_t)(uintptr_t)arg << 32 | i, "span");
        p->ended_ns = p->began_ns;
        if (i % 2) spool_keep(shared, p);
        if (i % 7 == 1)
            spool_drop(shared, p);
        else
            (void)spool_ready(shared, p);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    span *taken[100];
    static bool seen[THREADS + 1][SPANS_EACH + 1];
    size_t got = 0, wanted = 0;
    for (uint64_t i = 1; i <= SPANS_EACH; i++) wanted += (i % 7 != 1) * THREADS;
    begin();
    shared = open_spool(200);
    for (uintptr_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, make_many, (void *)(i + 1)) == 0);
    while (got + spool_figures_of(shared).dropped < wanted) {
        size_t n = spool_take(shared, taken, 100);
        for (size_t i = 0; i < n; i++) {
            bool *once = &seen[taken[i]->id >> 32][taken[i]->id & 0xffffffff];
            CHECK(!*once);
            *once = true;
        }
        spool_free(shared, taken, n);
        got += n;
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_INT(spool_take(shared, taken, 100), 0);
    CHECK(got > 0);
    spool_close(shared);
    end();
}

static void test_items(void)
{
    span p;
    span_item item;
    char text[900];
    memset(&p, 0, sizeof p);
    memset(text, 'x', sizeof text);
    span_put_bytes(&p, SPAN_NAME, text, sizeof text); /* is cut */
    span_put_text(&p, SPAN_STEP, "bad \xff\xc3 utf-8 \xc3\xa9");
    span_put_text(&p, SPAN_RUN, NULL);
    span_put_text(&p, SPAN_RUN, "");
    span_put_number(&p, SPAN_ATTEMPT, -7);
    size_t at = 0;
    CHECK(span_next(&p, &at, &item) && item.key == SPAN_NAME && item.len == SPAN_TEXT_MAX);
    CHECK(span_next(&p, &at, &item) && item.key == SPAN_STEP);
    CHECK(item.len == 15 && memcmp(item.text, "bad ?? utf-8 \xc3\xa9", 15) == 0);
    CHECK(span_next(&p, &at, &item) && item.is_number && item.number == -7);
    CHECK(!span_next(&p, &at, &item));
    while (p.left_out == 0) span_put_bytes(&p, SPAN_BRANCH, text, 100);
    CHECK(p.len <= sizeof p.items);
    for (at = 0; span_next(&p, &at, &item);) CHECK(item.key < SPAN_KEYS);
}

/* However long what a caller has chosen, the span says how the request ended. */
static void test_end_has_room(void)
{
    static const span_key long_ones[] = {SPAN_NAME, SPAN_HTTP_ROUTE, SPAN_URL_PATH, SPAN_STATE};
    char text[900];
    memset(text, 'x', sizeof text);
    for (size_t most = 1; most < 600; most += 7) {
        span p, began;
        memset(&p, 0, sizeof p);
        for (size_t i = 0; i < sizeof long_ones / sizeof *long_ones; i++)
            span_put_bytes(&p, long_ones[i], text, most < 512 ? most : 512);
        began = p;
        span_put_text(&p, SPAN_RUN_OUTCOME, "cancelled");
        span_put_number(&p, SPAN_HTTP_STATUS, 500);
        char message[300];
        memset(message, 'm', sizeof message);
        message[most < 299 ? most : 299] = 0;
        span_fail(&p, "500", message);
        CHECK(says(&p, SPAN_RUN_OUTCOME, "cancelled") && says(&p, SPAN_ERROR_TYPE, "500"));
        CHECK_INT(p.left_out, began.left_out);
        span_item item, last = {.len = 0};
        for (size_t at = 0; span_next(&p, &at, &item);) last = item;
        CHECK(last.key == SPAN_MESSAGE && last.len > 0);
        CHECK(last.len == strlen(message) || last.len >= 80);
        span_forget_end(&p);
        CHECK_INT(p.len, began.len);
    }
}

static const check_case cases[] = {{"what a span says", test_items},
                                   {"its end has room", test_end_has_room},
                                   {"a process that is killed", test_killed},
                                   {"what was said of an end", test_held},
                                   {"no room", test_full},
                                   {"an idle spool leaves the disk alone", test_idle},
                                   {"files", test_files},
                                   {"many threads", test_threads}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
