/* Programs in C++: what fails throws, what is thrown fails, and every object that was made is destroyed, once, before
 * what it looks at: when a run fails, parks, is cancelled, times out or is drained. The program is
 * tests/runtime/api/objects.cpp (OBJECTS in the environment names it). */
#include "tests/harness/served.h"

typedef struct notes {
    int made, gone, late, tries, runs, go_on;
} notes;
static notes *seen;

static char notes_file[128];
static answer a;

static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

static void start_with(const char *park_after, const char *drain)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data,           "--loops",  "1",       "--dev", "--redirect-after",
                                 "20ms",   "--park-after", park_after, "--drain", drain,   NULL};
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

static void start(void) { start_with("10ms", "10s"); }

/* Nothing that was made is left, and nothing looked at what was gone. */
static void balanced(void)
{
    CHECK_INT(count_of(&seen->made), count_of(&seen->gone));
    CHECK_INT(count_of(&seen->late), 0);
}

static void stop(void)
{
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    balanced();
}

static const char *get(const char *path)
{
    char url[1024];
    snprintf(url, sizeof url, "%s%s", server.address, path);
    call(NULL, url, NULL, NULL, 30, &a);
    return a.body;
}

static void fails(const char *path, const char *message)
{
    get(path);
    if (a.status != 500 || !strstr(a.body, message)) printf("# %s: %ld %s\n", path, a.status, a.body);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, message));
    balanced();
}

/* Begins a run and gives its URL, without "/output". */
static const char *begin(const char *path)
{
    static char run[2048], output[2048];
    server_begin(NULL, path, output, sizeof output);
    snprintf(run, sizeof run, "%.*s", (int)(strstr(output, "/output") - output), output);
    return run;
}

/* Until what GET /_sw/runs/ID says of it has these words. */
static void until_said(const char *run, const char *words)
{
    do get(run);
    while (!strstr(a.body, words));
}

static void until(const int *n, int at_least)
{
    while (count_of(n) < at_least) usleep(1000);
}

static void test_steps(void)
{
    char path[512];
    start();
    CHECK_STR(get("/throws?what=retried"), "attempt 3");
    CHECK_INT(seen->tries, 3);
    CHECK_STR(get("/throws?what=later"), "attempt 3");
    CHECK_STR(get("/throws?what=fatal"), "try try 1 0: never");
    CHECK_STR(get("/throws?what=other"), "try try 1 0: an exception that is no std::exception");
    CHECK(strstr(get("/throws?what=misuse"), "try try 1 0: a sleep with an empty id"));
    snprintf(path, sizeof path, "/throws?what=status&url=%s/plain%%3Frefuse=1", server.address);
    CHECK(strstr(get(path), "try try 1 404: http://"));
    CHECK_INT(seen->tries, 3 + 3 + 4);
    fails("/throws?what=fatal&uncaught=1", "\"detail\":\"never\"");
    CHECK(strstr(a.body, "\"step\":\"try\"") && strstr(a.body, "\"attempts\":1"));
    fails("/handler-throws", "the handler is wrong");
    fails("/handler-throws?fatal=1", "the handler says no");
    fails("/plain?throws=1", "a plain route fails");
    CHECK_STR(get("/plain"), "plain");
    CHECK_STR(get("/captured"), "what a handler captured");
    stop();
}

static void cancel(const char *run)
{
    char url[2048];
    snprintf(url, sizeof url, "%s%s", server.address, run);
    call("DELETE", url, NULL, NULL, 0, &a);
    CHECK(a.status == 200 || a.status == 202);
    until_said(run, "\"cancelled\"");
}

/* A run that parks for an hour: its `objects` are destroyed, and it has not run again. */
static void parks(const char *path, int objects)
{
    memset(seen, 0, sizeof *seen);
    const char *run = begin(path);
    until(&seen->gone, objects);
    balanced();
    CHECK_INT(seen->runs, 1);
    cancel(run);
    balanced();
}

static void test_parks(void)
{
    start();
    parks("/sleeps?ms=3600000", 2);
    parks("/sleeps?ms=3600000&swallow=1", 2); /* also if its code goes on with what unwinds it */
    parks("/sleeps?ms=3600000&wraps=1", 2);   /* or throws something of its own */
    seen->tries = 0;
    CHECK_STR(get("/sleeps?ms=500"), "awake");
    CHECK_STR(get("/sleeps?ms=500&swallow=1"), "awake");
    CHECK_STR(get("/sleeps?ms=500&wraps=1"), "awake");
    CHECK_INT(seen->tries, 6); /* no step was made while it left, or twice */
    stop();
}

static void test_branches(void)
{
    start();
    parks("/branches?ms=3600000", 6);
    CHECK_STR(get("/branches?ms=300"), "[7,8,9,10,11]");
    CHECK_STR(get("/branches?ms=300&waits=1"), "[7,8,9,10,11]");
    fails("/branches?ms=300&fails=1", "the handler has had enough"); /* its exception waits for the branches, parked */
    fails("/branches?ms=1&fails=1", "the handler has had enough");
    CHECK(strstr(get("/each?settle=1"), "{\"ok\":true,\"value\":6},{\"ok\":false,\"error\":\"four\"},{\"ok\":true"));
    fails("/each", "\"detail\":\"four\"");
    stop();
}

static void test_interleaved(void)
{
    start_with("1h", "10s");
    get("/interleaved");
    CHECK(strncmp(a.body, "[\"0\",\"1\",\"2\",\"3\",", 16) == 0 && strstr(a.body, "\"38\",\"39\"]"));
    CHECK_INT(seen->made, 40);
    stop();
}

/* A run that leaves in the middle of its step, since the program drains for no time: it goes on in the next one. */
static void leaves(const char *path)
{
    stop();
    start_with("10ms", "0ms");
    const char *run = begin(path);
    until(&seen->tries, 1);
    CHECK_INT(seen->made, seen->gone + 2);
    stop();
    start();
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
    do get(run);
    while (!strstr(a.body, "\"succeeded\"") && !strstr(a.body, "\"failed\""));
    CHECK(strstr(a.body, "\"succeeded\""));
}

static void test_ends(void)
{
    start_with("10ms", "0ms");
    fails("/timeout", "timed out after 20 ms");
    CHECK_INT(seen->tries, 1);
    const char *run = begin("/waits");
    until(&seen->tries, 2);
    cancel(run);
    until(&seen->gone, seen->made);
    leaves("/waits");
    leaves("/waits?wraps=1"); /* it has not failed, whatever its code throws when it leaves */
    stop();
}

static void test_threads(void)
{
    start();
    CHECK_STR(get("/blocking?what=works"), "\"works on a thread\"");
    fails("/blocking?what=throws", "thrown on a thread");
    seen->tries = 0;
    fails("/blocking?what=context", "on the thread of sw_blocking");
    CHECK_INT(seen->tries, 1);
    fails("/wrong", "not the innermost one");
    fails("/talks", "after which the destructor talks");
    fails("/talks-much", "after which it talks much");
    CHECK_STR(get("/captured"), "what a handler captured");
    stop();
}

static void test_values(void)
{
    char url[512], header[64];
    start();
    snprintf(url, sizeof url, "%s/values", server.address);
    call("POST", url, NULL, "{\"n\":1}", 0, &a);
    CHECK_STR(a.body,
              "{\"text\":\"last wins\",\"view\":\"v\",\"c\":\"c\",\"yes\":true,\"int\":-7,\"half\":0.5,\"nil\":null,"
              "\"list\":[1,\"two\",[]],\"body\":{\"n\":1}}");
    CHECK_STR(answer_header(&a, "X-Made-In", header, sizeof header), "C++");
    call("POST", url, NULL, "{", 0, &a);
    CHECK_INT(a.status, 400);
    snprintf(url, sizeof url, "/stream?url=%s/captured", server.address);
    CHECK_STR(get(url), "\"what a handler captured\"");
    stop();
}

static const check_case cases[] = {{"exceptions of steps and handlers", test_steps},
                                   {"objects of a run that parks", test_parks},
                                   {"objects of branches that look at their handler's frame", test_branches},
                                   {"exceptions of coroutines that take turns", test_interleaved},
                                   {"objects of what times out, is cancelled, is drained", test_ends},
                                   {"threads, wrong contexts, destructors that talk", test_threads},
                                   {"values, headers, streams", test_values}};

int main(int argc, char **argv)
{
    if (!getenv("OBJECTS")) {
        puts("Bail out! OBJECTS does not name the program");
        return 1;
    }
    snprintf(served_program, sizeof served_program, "%s", getenv("OBJECTS"));
    make_folder(root);
    snprintf(notes_file, sizeof notes_file, "%s/notes", root);
    CHECK(setenv("NOTES", notes_file, 1) == 0);
    seen = share_memory(notes_file, sizeof *seen);
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    remove_tree(root);
    return result;
}
