/* doctor: what is kept and why, and what runs short: of a server by its metrics, of a folder by its files, and of this
 * machine. A finding is a line that begins with "!". */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cli/client.h"
#include "cli/figure.h"
#include "cli/offline_runs.h"
#include "cli/view.h"
#include "storage/folder.h"

enum { FILES_FEW = 4096, MAPS_FEW = 262144, SHARE_MOST = 90 };
static const uint64_t disk_few_bytes = (uint64_t)1 << 30;

static unsigned findings;

/* ---- Saying ---- */

static void say(bool is_fine, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(bool is_fine, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs(is_fine ? "  " : "! ", stdout);
    (void)vprintf(format, args);
    va_end(args);
    putchar('\n');
    findings += !is_fine;
}

/* ---- This machine ---- */

static long long number_in(const char *path)
{
    long long n = -1;
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%lld", &n) != 1) n = -1;
    if (f) fclose(f);
    return n;
}

static void look_at_machine(void)
{
    struct rlimit files;
    puts("this machine");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        say(files.rlim_max >= FILES_FEW, "open files of a process: %llu, at most %llu (LimitNOFILE)",
            (unsigned long long)files.rlim_cur, (unsigned long long)files.rlim_max);
    long long maps = number_in("/proc/sys/vm/max_map_count");
    if (maps >= 0)
        say(maps >= MAPS_FEW, "vm.max_map_count %lld: room for about %lld runs in memory%s", maps, maps / 2,
            maps >= MAPS_FEW ? "" : " (sysctl vm.max_map_count=1048576)");
}

static void look_at_disk(cli *c, const char *path)
{
    struct statvfs v;
    if (statvfs(path, &v) != 0) return;
    uint64_t free_bytes = (uint64_t)v.f_bavail * v.f_frsize, all = (uint64_t)v.f_blocks * v.f_frsize;
    say(free_bytes >= disk_few_bytes, "free on its disk: %s of %s", view_bytes(c, free_bytes), view_bytes(c, all));
}

/* ---- A folder ---- */

typedef struct sizes {
    uint64_t logs, tables, blobs, others;
} sizes;

static bool name_ends(const char *name, const char *end)
{
    size_t len = strlen(name), n = strlen(end);
    return len >= n && strcmp(name + len - n, end) == 0;
}

static sizes measure(const char *folder)
{
    char path[FOLDER_PATH_MAX + 16];
    struct stat st;
    sizes s = {.logs = 0};
    (void)snprintf(path, sizeof path, "%s/journal", folder);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &st, 0) != 0) continue;
        uint64_t *of = name_ends(e->d_name, ".log")    ? &s.logs
                       : name_ends(e->d_name, ".sst")  ? &s.tables
                       : name_ends(e->d_name, ".blob") ? &s.blobs
                                                       : &s.others;
        *of += (uint64_t)st.st_size;
    }
    if (dir) closedir(dir);
    return s;
}

static void look_at_files(cli *c, const char *folder)
{
    char path[FOLDER_PATH_MAX + 16], *left = NULL;
    struct stat st;
    sizes s = measure(folder);
    printf("\nfolder %s\n", folder);
    say(true, "tables %s, values in blob files %s, logs %s, others %s", view_bytes(c, s.tables), view_bytes(c, s.blobs),
        view_bytes(c, s.logs), view_bytes(c, s.others));
    look_at_disk(c, folder);
    if (stat(folder, &st) == 0)
        say((st.st_mode & 077) == 0, "mode %o%s", st.st_mode & 0777U,
            (st.st_mode & 077) == 0 ? "" : ": others may read requests and results (chmod 700)");
    (void)snprintf(path, sizeof path, "%s/end", folder);
    folder_end end = folder_read_end(folder, &left);
    free(left);
    if (stat(path, &st) != 0)
        say(true, "how its last process ended is not noted: a copy on which no program has started, or of version 0.1");
    else
        say(end == FOLDER_ENDED, "%s",
            end == FOLDER_ENDED ? "the last process ended as it should"
                                : "the last process died, or was killed: the next start resumes its runs");
    (void)snprintf(path, sizeof path, "%s/crashes", folder);
    bool crashed = stat(path, &st) == 0 && st.st_size > 0;
    if (crashed) say(false, "a run has ended the process: the next start notes which (file crashes)");
}

/* What is kept, by state and reason. */
typedef struct kept {
    char what[64];
    const char *why;
    long long count;
} kept;

typedef struct keeping {
    kept kinds[24];
    size_t count;
} keeping;

static const char *why_kept(const char *state)
{
    if (strcmp(state, "running") == 0) return "until it ends";
    if (strcmp(state, "sleeping") == 0) return "until it ends; it leaves memory to sleep";
    if (strcmp(state, "stopped") == 0) return "until it is released or cancelled; --retain-stopped (30d) fails it";
    if (strcmp(state, "unreadable") == 0) return "until it can be read, or --retain is over";
    return "as long as --retain, or the endpoint's own retention, says";
}

static void keeping_add(void *arg, cli *one, sw_value line)
{
    keeping *k = arg;
    char what[64];
    const char *state = view_text(one, sw_get(line, "state"), 20), *reason = view_text(one, sw_get(line, "reason"), 20);
    const char *why = why_kept(state);
    (void)snprintf(what, sizeof what, "%s%s%s%s", state, *reason ? " (" : "", reason, *reason ? ")" : "");
    for (size_t i = 0; i < k->count; i++) {
        if (strcmp(k->kinds[i].what, what) != 0) continue;
        k->kinds[i].count++;
        return;
    }
    if (k->count == sizeof k->kinds / sizeof *k->kinds) return;
    kept *new = &k->kinds[k->count++];
    *new = (kept){.why = why, .count = 1};
    memcpy(new->what, what, sizeof what);
}

static void keeping_print(const keeping *k)
{
    puts("\nkept");
    for (size_t i = 0; i < k->count; i++) {
        const kept *one = &k->kinds[i];
        bool is_fine = strncmp(one->what, "stopped", 7) != 0 && strncmp(one->what, "unreadable", 10) != 0;
        say(is_fine, "%lld %s: %s", one->count, one->what, one->why);
    }
    if (k->count == 0) say(true, "no run");
}

static cli_end doctor_of_folder(cli *c)
{
    keeping k = {.count = 0};
    offline_listing all = {.wanted = LLONG_MAX, .has_gaps = true, .on_line = keeping_add, .arg = &k};
    cli_end end = offline_list(c, &all);
    if (end != CLI_DONE) return end;
    look_at_files(c, c->values[OPTION_DATA]);
    keeping_print(&k);
    if (all.gaps > 0)
        say(false, "%lld places where runs cannot be read at all: stepwell journal verify names them", all.gaps);
    return CLI_DONE;
}

/* ---- A server ---- */

static void look_at_shares(const char *page)
{
    double open = figure_read(page, "process_open_fds"), most = figure_read(page, "process_max_fds");
    if (open >= 0 && most > 0)
        say(open * 100 < most * SHARE_MOST, "open files: %.0f of %.0f (LimitNOFILE)", open, most);
    double others = figure_read(page, "stepwell_metric_others_total");
    if (others > 0) say(false, "%.0f figures count as \"other\": --metric-series-max, or .metric of steps", others);
}

static void look_at_runs(const char *page)
{
    double stopped = figure_read(page, "stepwell_runs_stopped"), live = figure_read(page, "stepwell_runs_unfinished");
    double errors = figure_read(page, "stepwell_journal_errors_total");
    puts("\nkept");
    if (live >= 0) say(true, "%.0f runs that have not ended: until they do", live);
    if (stopped >= 0)
        say(stopped == 0, "%.0f stopped runs: until they are released or cancelled%s", stopped,
            stopped > 0 ? " (stepwell runs list --state stopped)" : "");
    if (errors > 0) say(false, "%.0f commits of the journal have failed: see the log, and the disk", errors);
}

static cli_end doctor_of_server(cli *c)
{
    cli_reply ready, page;
    cli_end end = client_call(c, "GET", "/_sw/readyz", NULL, &ready);
    if (end == CLI_DONE) end = client_call(c, "GET", "/_sw/metrics", NULL, &page);
    if (end != CLI_DONE) return end;
    if (page.status != 200) return client_refused(c, &page);
    printf("\nserver %s\n", client_address(c));
    say(ready.status == 200, "%s", view_text(c, sw_get(ready.json, "status"), 0));
    double disk = figure_read(page.body, "stepwell_journal_disk_bytes");
    if (disk >= 0) say(true, "journal on disk: %s", view_bytes(c, (uint64_t)disk));
    look_at_shares(page.body);
    look_at_runs(page.body);
    return CLI_DONE;
}

cli_end doctor_look(cli *c)
{
    if (cli_has(c, OPTION_JSON)) return cli_fail(CLI_USAGE, "doctor speaks to people: stats --json is for programs");
    look_at_machine();
    cli_end end = cli_has(c, OPTION_DATA) ? doctor_of_folder(c) : doctor_of_server(c);
    if (end != CLI_DONE) return end;
    printf("\n%u finding%s\n", findings, findings == 1 ? "" : "s");
    return findings > 0 ? CLI_FOUND : CLI_DONE;
}
