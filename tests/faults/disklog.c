/* Preloaded into a process, it logs what the process does to the files below a directory, in the order in which it does
   it: DISKLOG_BELOW names the directory, DISKLOG_TO the log. Syncs are logged and not made. The log is read by
   tests/faults/disk.py, which says what of it a power cut would have left. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS 65536
#define REAL(name, type, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static char below_it[DESCRIPTORS]; /* by file descriptor */
static int log_to = -1;

struct head {
    uint64_t kind, inode, where, length;
};

static int is_below(const char *path)
{
    const char *directory = getenv("DISKLOG_BELOW");
    size_t length = directory ? strlen(directory) : 0;
    return length && path && !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

static int is_tracked(int descriptor)
{
    return descriptor >= 0 && descriptor < DESCRIPTORS && below_it[descriptor];
}

static uint64_t inode_of(int descriptor)
{
    struct stat found;
    return fstat(descriptor, &found) ? 0 : found.st_ino;
}

static void note(char kind, uint64_t inode, uint64_t where, const void *data, uint64_t length)
{
    static ssize_t (*put)(int, const void *, size_t);
    static int (*get)(const char *, int, ...);
    struct head head = {(unsigned char)kind, inode, where, length};
    char *record = malloc(sizeof head + length);
    int before = errno;

    if (!put) put = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (!get) get = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    if (log_to < 0) log_to = get(getenv("DISKLOG_TO"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    memcpy(record, &head, sizeof head);
    memcpy(record + sizeof head, data, length);
    if (put(log_to, record, sizeof head + length) < 0) abort();
    free(record);
    errno = before;
}

static void note_path(char kind, const char *path, const char *other)
{
    struct stat found;
    size_t first = strlen(path) + 1, second = strlen(other);
    char *both = malloc(first + second);
    memcpy(both, path, first);
    memcpy(both + first, other, second);
    note(kind, stat(path, &found) ? 0 : found.st_ino, 0, both, first + second);
    free(both);
}

/* files that are opened */

static int opened(int descriptor, const char *path, int was_there)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        below_it[descriptor] = is_below(path);
        if (below_it[descriptor] && !was_there) note_path('C', path, "");
    }
    return descriptor;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(name, int, const char *, int, ...); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        pthread_mutex_lock(&one_at_a_time); \
        int was_there = !is_below(path) || !access(path, F_OK); \
        int descriptor = opened(real(path, flags, mode), path, was_there); \
        pthread_mutex_unlock(&one_at_a_time); \
        return descriptor; \
    }
OPEN(open)
OPEN(open64)

int close(int descriptor)
{
    REAL(close, int, int);
    if (descriptor >= 0 && descriptor < DESCRIPTORS) below_it[descriptor] = 0;
    return real(descriptor);
}

/* what is in them */

#define WRITE(name, type) \
    ssize_t name(int descriptor, const void *data, size_t length, type where) \
    { \
        REAL(name, ssize_t, int, const void *, size_t, type); \
        if (!is_tracked(descriptor)) return real(descriptor, data, length, where); \
        pthread_mutex_lock(&one_at_a_time); \
        ssize_t written = real(descriptor, data, length, where); \
        if (written > 0) note('W', inode_of(descriptor), where, data, written); \
        pthread_mutex_unlock(&one_at_a_time); \
        return written; \
    }
WRITE(pwrite, off_t)
WRITE(pwrite64, off64_t)

ssize_t write(int descriptor, const void *data, size_t length)
{
    REAL(write, ssize_t, int, const void *, size_t);
    if (!is_tracked(descriptor)) return real(descriptor, data, length);
    pthread_mutex_lock(&one_at_a_time);
    ssize_t written = real(descriptor, data, length);
    if (written > 0) note('W', inode_of(descriptor), lseek(descriptor, 0, SEEK_CUR) - written, data, written);
    pthread_mutex_unlock(&one_at_a_time);
    return written;
}

#define TRUNCATE(name, type) \
    int name(int descriptor, type size) \
    { \
        REAL(name, int, int, type); \
        if (!is_tracked(descriptor)) return real(descriptor, size); \
        pthread_mutex_lock(&one_at_a_time); \
        int failed = real(descriptor, size); \
        if (!failed) note('T', inode_of(descriptor), size, "", 0); \
        pthread_mutex_unlock(&one_at_a_time); \
        return failed; \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define RESERVE(name, type) \
    int name(int descriptor, type where, type length) \
    { \
        REAL(name, int, int, type, type); \
        if (!is_tracked(descriptor)) return real(descriptor, where, length); \
        pthread_mutex_lock(&one_at_a_time); \
        int failed = real(descriptor, where, length); \
        struct stat found; \
        if (!failed && !fstat(descriptor, &found)) note('T', found.st_ino, found.st_size, "", 0); \
        pthread_mutex_unlock(&one_at_a_time); \
        return failed; \
    }
RESERVE(posix_fallocate, off_t)
RESERVE(posix_fallocate64, off64_t)

#define SYNC(name) \
    int name(int descriptor) \
    { \
        REAL(name, int, int); \
        if (!is_tracked(descriptor)) return real(descriptor); \
        pthread_mutex_lock(&one_at_a_time); \
        note('S', inode_of(descriptor), 0, "", 0); \
        pthread_mutex_unlock(&one_at_a_time); \
        return 0; \
    }
SYNC(fsync)
SYNC(fdatasync)

/* their names */

int unlink(const char *path)
{
    REAL(unlink, int, const char *);
    if (!is_below(path)) return real(path);
    pthread_mutex_lock(&one_at_a_time);
    int failed = real(path);
    if (!failed) note_path('U', path, "");
    pthread_mutex_unlock(&one_at_a_time);
    return failed;
}

int rename(const char *path, const char *other)
{
    REAL(rename, int, const char *, const char *);
    if (!is_below(path)) return real(path, other);
    pthread_mutex_lock(&one_at_a_time);
    int failed = real(path, other);
    if (!failed) note_path('R', path, other);
    pthread_mutex_unlock(&one_at_a_time);
    return failed;
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir, int, const char *, mode_t);
    if (!is_below(path)) return real(path, mode);
    pthread_mutex_lock(&one_at_a_time);
    int failed = real(path, mode);
    if (!failed) note_path('D', path, "");
    pthread_mutex_unlock(&one_at_a_time);
    return failed;
}
