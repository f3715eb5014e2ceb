#include "runtime/observe/process_figures.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* proc_pid_stat(5): what follows the name, which may hold spaces and brackets itself. */
static bool stat_read(process_figures *out)
{
    char line[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f) return false;
    size_t len = fread(line, 1, sizeof line - 1, f);
    (void)fclose(f);
    line[len] = 0;
    const char *behind_name = strrchr(line, ')');
    unsigned long user = 0, system = 0, bytes = 0;
    long threads = 0, pages = 0;
    if (!behind_name ||
        sscanf(behind_name + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld %*d %*u %lu %ld", &user,
               &system, &threads, &bytes, &pages) != 5)
        return false;
    long ticks = sysconf(_SC_CLK_TCK), page_bytes = sysconf(_SC_PAGESIZE);
    out->cpu_seconds = (double)(user + system) / (double)(ticks > 0 ? ticks : 100);
    out->threads = (uint64_t)threads;
    out->virtual_bytes = bytes;
    out->resident_bytes = (uint64_t)pages * (uint64_t)(page_bytes > 0 ? page_bytes : 4096);
    return true;
}

static bool files_count(process_figures *out)
{
    struct rlimit most;
    const struct dirent *file;
    DIR *open_files = opendir("/proc/self/fd");
    if (!open_files) return false;
    out->open_files = 0;
    while ((file = readdir(open_files))) out->open_files += file->d_name[0] != '.';
    (void)closedir(open_files);
    if (out->open_files > 0) out->open_files--; /* the folder itself */
    if (getrlimit(RLIMIT_NOFILE, &most) != 0) return false;
    out->files_max = most.rlim_cur;
    return true;
}

bool process_figures_read(process_figures *out)
{
    *out = (process_figures){.cpu_seconds = 0};
    return stat_read(out) && files_count(out);
}
