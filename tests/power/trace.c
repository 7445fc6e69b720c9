/* Writes down, in order, what the programs of a node do to the files below POWER_TRACE_ROOT: see disk.py.
   LD_PRELOAD it. A record: a head as below, then path, second path and data. Each is one append to POWER_TRACE. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, LINK, MKDIR, RMDIR };
enum { CREATED = 1, TRUNCATED = 2, DIRECTORY = 4 };
struct head {
    uint32_t kind, flags, path, second, data, unused;
    uint64_t inode, offset;
};
#define FDS 65536
static uint64_t inodes[FDS]; /* of files below the root; 0: not ours */
static int trace = -1;
static const char *root;
static size_t root_size;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("POWER_TRACE");
    root = getenv("POWER_TRACE_ROOT");
    /* A copy: a process that changes its title writes over its environment. */
    root = root ? strdup(root) : NULL;
    if (!file || !root) return;
    root_size = strlen(root);
    int at = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    /* supervisord closes low numbers; so does subprocess, and only what is not marked. */
    trace = fcntl(at, F_DUPFD_CLOEXEC, 1000);
    syscall(SYS_close, at);
}

static void tell(uint32_t kind, uint32_t flags, uint64_t inode, uint64_t offset, const char *path, const char *second,
                 const void *data, size_t size) {
    if (!root) return;
    struct head head = {kind, flags, path ? strlen(path) : 0, second ? strlen(second) : 0, size, 0, inode, offset};
    struct iovec parts[4] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)second, head.second},
                             {(void *)data, size}};
    pthread_mutex_lock(&lock);
    int saved = errno;
    if (syscall(SYS_writev, trace, parts, 4) < 0) {
        begin(); /* somebody closed it */
        syscall(SYS_writev, trace, parts, 4);
    }
    errno = saved;
    pthread_mutex_unlock(&lock);
}

static int ours(const char *path) { return root && path && !strncmp(path, root, root_size); }

static const char *whole(int dir, const char *path, char *into) {
    if (!root || !path || path[0] == '/') return path;
    char link[64];
    snprintf(link, sizeof link, dir == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dir);
    ssize_t size = readlink(link, into, PATH_MAX - 1);
    if (size < 0) return path;
    snprintf(into + size, PATH_MAX - size, "/%s", path);
    return into;
}

static int opened(int fd, const char *path, int flags, int existed) {
    if (fd < 0 || fd >= FDS) return fd;
    inodes[fd] = 0;
    if (!ours(path)) return fd;
    struct stat status;
    if (fstat(fd, &status)) return fd;
    inodes[fd] = status.st_ino;
    int is_dir = S_ISDIR(status.st_mode);
    tell(OPEN, (existed ? 0 : CREATED) | (flags & O_TRUNC ? TRUNCATED : 0) | (is_dir ? DIRECTORY : 0), status.st_ino, 0,
         path, NULL, NULL, 0);
    return fd;
}

static int open_any(int dir, const char *given, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    const char *path = whole(dir, given, buffer);
    int existed = !ours(path) || !(flags & O_CREAT) || !syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
    long fd = syscall(SYS_openat, dir, given, flags, mode);
    return opened((int)fd, path, flags, existed);
}

#define OPENS(name, first, dir)                                   \
    int name first {                                              \
        va_list rest;                                             \
        va_start(rest, flags);                                    \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                             \
        return open_any(dir, path, flags, mode);                  \
    }
OPENS(open, (const char *path, int flags, ...), AT_FDCWD)
OPENS(open64, (const char *path, int flags, ...), AT_FDCWD)
OPENS(openat, (int at, const char *path, int flags, ...), at)
OPENS(openat64, (int at, const char *path, int flags, ...), at)

int close(int fd) {
    if (fd >= 0 && fd < FDS) inodes[fd] = 0;
    return syscall(SYS_close, fd);
}

static uint64_t inode_of(int fd) { return fd >= 0 && fd < FDS ? inodes[fd] : 0; }

ssize_t write(int fd, const void *data, size_t size) {
    uint64_t inode = inode_of(fd);
    off_t before = inode ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = syscall(SYS_write, fd, data, size);
    if (inode && done > 0) {
        off_t behind = lseek(fd, 0, SEEK_CUR);
        tell(WRITE, 0, inode, behind >= done ? behind - done : before, NULL, NULL, data, done);
    }
    return done;
}

#define PWRITES(name)                                                     \
    ssize_t name(int fd, const void *data, size_t size, off_t offset) {   \
        ssize_t done = syscall(SYS_pwrite64, fd, data, size, offset);     \
        if (inode_of(fd) && done > 0) tell(WRITE, 0, inode_of(fd), offset, NULL, NULL, data, done); \
        return done;                                                      \
    }
PWRITES(pwrite)
PWRITES(pwrite64)

#define TRUNCATES(name)                                                   \
    int name(int fd, off_t size) {                                        \
        int done = syscall(SYS_ftruncate, fd, size);                      \
        if (inode_of(fd) && !done) tell(TRUNCATE, 0, inode_of(fd), size, NULL, NULL, NULL, 0); \
        return done;                                                      \
    }
TRUNCATES(ftruncate)
TRUNCATES(ftruncate64)

#define SYNCS(name, number)                                               \
    int name(int fd) {                                                    \
        uint64_t inode = inode_of(fd);                                    \
        if (inode) tell(SYNC_BEGIN, 0, inode, 0, NULL, NULL, NULL, 0);    \
        int done = syscall(number, fd);                                   \
        if (inode && !done) tell(SYNC_END, 0, inode, 0, NULL, NULL, NULL, 0); \
        return done;                                                      \
    }
SYNCS(fsync, SYS_fsync)
SYNCS(fdatasync, SYS_fdatasync)

static int moved(int kind, int done, int at, const char *from, int to_at, const char *to) {
    char first[PATH_MAX], second[PATH_MAX];
    const char *one = whole(at, from, first), *two = whole(to_at, to, second);
    if (!done && ours(two)) tell(kind, 0, 0, 0, one, two, NULL, 0);
    return done;
}

int rename(const char *from, const char *to) {
    return moved(RENAME, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), AT_FDCWD, from, AT_FDCWD, to);
}
int renameat(int at, const char *from, int to_at, const char *to) {
    return moved(RENAME, syscall(SYS_renameat2, at, from, to_at, to, 0), at, from, to_at, to);
}
int link(const char *from, const char *to) {
    return moved(LINK, syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0), AT_FDCWD, from, AT_FDCWD, to);
}
int linkat(int at, const char *from, int to_at, const char *to, int flags) {
    return moved(LINK, syscall(SYS_linkat, at, from, to_at, to, flags), at, from, to_at, to);
}

static int changed(int kind, int done, int at, const char *given) {
    char buffer[PATH_MAX];
    const char *path = whole(at, given, buffer);
    if (!done && ours(path)) tell(kind, 0, 0, 0, path, NULL, NULL, 0);
    return done;
}

int unlink(const char *path) {
    return changed(UNLINK, syscall(SYS_unlinkat, AT_FDCWD, path, 0), AT_FDCWD, path);
}
int unlinkat(int at, const char *path, int flags) {
    return changed(flags & AT_REMOVEDIR ? RMDIR : UNLINK, syscall(SYS_unlinkat, at, path, flags), at, path);
}
int rmdir(const char *path) {
    return changed(RMDIR, syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR), AT_FDCWD, path);
}
int mkdir(const char *path, mode_t mode) {
    return changed(MKDIR, syscall(SYS_mkdirat, AT_FDCWD, path, mode), AT_FDCWD, path);
}
int mkdirat(int at, const char *path, mode_t mode) {
    return changed(MKDIR, syscall(SYS_mkdirat, at, path, mode), at, path);
}
