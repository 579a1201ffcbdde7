/* The head of the single-file program: unpacks what is appended to it, once, and becomes it.
 *
 *   [this program][tar, packed by gzip][struct tail]
 *
 * It is unpacked into a folder that only this user can change, under the digest of what is packed,
 * so a new version gets a folder of its own and an old one is used again at once. The folder has its
 * name only when it is complete and on the disk. Whoever runs from it holds a shared lock on it;
 * folders that nobody holds go when a new version is unpacked. Nothing stays running beside it: the
 * program takes over this process.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC "safelight packed"
enum { DIGEST = 32, BLOCK = 512, BUFFER = 256 * 1024, PATH = 4096, MOST_ARGUMENTS = 4096 };

struct tail {
    char magic[16];
    char digest[DIGEST]; /* hex, of what is packed */
    uint64_t offset;     /* of what is packed, in this file */
};

static char wrong[PATH + 256]; /* why the last folder that was tried would not do */
static bool damaged;           /* this file is; no folder will do */

static bool say(const char *words, ...)
{
    va_list given;
    va_start(given, words);
    vsnprintf(wrong, sizeof wrong, words, given);
    va_end(given);
    return false;
}

static bool say_damaged(const char *where)
{
    damaged = true;
    return say("this program is damaged: %s", where);
}

/* ---- unpacking ---------------------------------------------------------------------------- */

static bool read_all(gzFile packed, void *into, size_t length)
{
    return gzread(packed, into, (unsigned)length) == (int)length;
}

static bool write_all(int file, const char *from, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, from, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        from += written;
        length -= (size_t)written;
    }
    return true;
}

static bool unpack_file(gzFile packed, int folder, const char *name, mode_t mode, uint64_t size)
{
    static char buffer[BUFFER]; /* a multiple of BLOCK: files are padded to whole blocks */
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file < 0)
        return say("%s: %s", name, strerror(errno));
    while (size > 0) {
        size_t part = size < BUFFER ? size : BUFFER;
        size_t padded = (part + BLOCK - 1) / BLOCK * BLOCK;
        if (!read_all(packed, buffer, padded)) {
            close(file);
            return say_damaged(name);
        }
        if (!write_all(file, buffer, part)) {
            say("%s: %s", name, strerror(errno));
            close(file);
            return false;
        }
        size -= part;
    }
    return close(file) == 0 || say("%s: %s", name, strerror(errno));
}

/* https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, "ustar Interchange Format" */
static bool unpack_all(gzFile packed, int folder)
{
    char head[BLOCK], name[BLOCK];
    for (;;) {
        if (!read_all(packed, head, BLOCK))
            return say_damaged("its list of files breaks off");
        if (head[0] == '\0')
            return true;
        const char *prefix = head + 345;
        snprintf(name, sizeof name, "%.155s%s%.100s", prefix, *prefix ? "/" : "", head);
        mode_t mode = (mode_t)strtoul(head + 100, NULL, 8) & 0700;
        if (head[156] == '5') {
            if (mkdirat(folder, name, 0700) != 0)
                return say("%s: %s", name, strerror(errno));
        } else if (!unpack_file(packed, folder, name, mode, strtoull(head + 124, NULL, 8))) {
            return false;
        }
    }
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *where)
{
    (void)found, (void)kind, (void)where;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Remove versions that nobody runs, and what a killed start has left half unpacked. */
static void remove_unused(const char *root, const char *but)
{
    DIR *listed = opendir(root);
    for (struct dirent *one; listed != NULL && (one = readdir(listed)) != NULL;) {
        if (one->d_name[0] == '.' || strcmp(one->d_name, but) == 0)
            continue;
        char path[PATH + 300];
        snprintf(path, sizeof path, "%s/%s", root, one->d_name);
        int held = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (held < 0)
            continue;
        if (flock(held, LOCK_EX | LOCK_NB) == 0)
            remove_tree(path);
        close(held);
    }
    if (listed != NULL)
        closedir(listed);
}

static bool unpack(const char *root, const char *digest, int self, uint64_t offset)
{
    char part[PATH + DIGEST + 16], whole[PATH + DIGEST + 16];
    snprintf(part, sizeof part, "%s/%.*s.part", root, DIGEST, digest);
    snprintf(whole, sizeof whole, "%s/%.*s", root, DIGEST, digest);
    remove_tree(part); /* the lock on `root` is ours: nobody is at work in it */
    int folder = mkdir(part, 0700) == 0 ? open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder < 0)
        return say("%s: %s", part, strerror(errno));
    int copy = lseek(self, (off_t)offset, SEEK_SET) < 0 ? -1 : dup(self);
    gzFile packed = copy < 0 ? NULL : gzdopen(copy, "rb");
    bool done = packed != NULL && gzbuffer(packed, BUFFER) == 0 && unpack_all(packed, folder);
    if (packed != NULL)
        gzclose(packed);
    /* The name says that it is complete, so all of it must be on the disk before it gets it. */
    if (done && (syncfs(folder) != 0 || rename(part, whole) != 0))
        done = say("%s: %s", whole, strerror(errno));
    close(folder);
    if (!done)
        remove_tree(part);
    return done;
}

/* ---- where to -------------------------------------------------------------------------------- */

static bool make_folders(char *path)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            say("%s: %s", path, strerror(errno));
            *slash = '/';
            return false;
        }
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST || say("%s: %s", path, strerror(errno));
}

/* A folder of ours that nobody else can write into; its descriptor, or -1. */
static int open_root(char *root)
{
    struct stat found;
    struct statvfs system;
    if (!make_folders(root))
        return -1;
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || fstat(folder, &found) != 0 || fstatvfs(folder, &system) != 0)
        say("%s: %s", root, strerror(errno));
    else if (found.st_uid != geteuid() || (found.st_mode & 022) != 0)
        say("%s: others can write there", root);
    else if (system.f_flag & ST_NOEXEC)
        say("%s: no program may be run from there", root);
    else
        return folder;
    if (folder >= 0)
        close(folder);
    return -1;
}

/* Whether the program lies complete below `root`, and is held there as long as this process lives. */
static bool settle(char *root, const struct tail *tail, int self)
{
    char whole[PATH + DIGEST + 16];
    snprintf(whole, sizeof whole, "%s/%.*s", root, DIGEST, tail->digest);
    int folder = open_root(root);
    if (folder < 0)
        return false;
    while (flock(folder, LOCK_EX) != 0)
        if (errno != EINTR) {
            close(folder);
            return say("%s: %s", root, strerror(errno));
        }
    int held = open(whole, O_RDONLY | O_DIRECTORY); /* not closed on exec: it carries the lock */
    if (held < 0 && unpack(root, tail->digest, self, tail->offset)) {
        char kept[DIGEST + 1];
        snprintf(kept, sizeof kept, "%.*s", DIGEST, tail->digest);
        remove_unused(root, kept);
        held = open(whole, O_RDONLY | O_DIRECTORY);
    }
    if (held >= 0)
        flock(held, LOCK_SH);
    close(folder);
    return held >= 0;
}

static void become(const char *root, const struct tail *tail, int count, char **given)
{
    static char python[PATH + 128], script[PATH + 128];
    char *arguments[MOST_ARGUMENTS];
    int next = 0;
    snprintf(python, sizeof python, "%s/%.*s/bin/python3", root, DIGEST, tail->digest);
    snprintf(script, sizeof script, "%s/%.*s/bin/safelight", root, DIGEST, tail->digest);
    arguments[next++] = python;
    arguments[next++] = "-I"; /* nothing of this machine's Python, should it have one */
    arguments[next++] = script;
    for (int one = 1; one < count && next < MOST_ARGUMENTS - 1; one++)
        arguments[next++] = given[one];
    arguments[next] = NULL;
    execv(python, arguments);
    /* ENOENT of a file that is there means its loader, which is the C library's. */
    say("%s: %s", python, errno == ENOENT ? "this system has no glibc for it" : strerror(errno));
}

int main(int count, char **arguments)
{
    struct tail tail;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (self < 0)
        self = open(arguments[0], O_RDONLY | O_CLOEXEC);
    if (self < 0 || lseek(self, -(off_t)sizeof tail, SEEK_END) < 0 ||
        read(self, &tail, sizeof tail) != sizeof tail ||
        memcmp(tail.magic, MAGIC, sizeof tail.magic) != 0) {
        fprintf(stderr, "safelight: this program is damaged: its end is not here\n");
        return 1;
    }
    char user[32];
    snprintf(user, sizeof user, "safelight-%u", (unsigned)geteuid());
    const char *temporary = getenv("TMPDIR");
    const struct { const char *folder, *below; } places[] = {
        {getenv("CACHE_DIRECTORY"), "program"}, /* of a unit of systemd */
        {getenv("XDG_CACHE_HOME"), "safelight"},
        {getenv("HOME"), ".cache/safelight"},
        {temporary != NULL ? temporary : "/tmp", user},
    };
    for (size_t one = 0; one < sizeof places / sizeof *places; one++) {
        static char root[PATH];
        if (places[one].folder == NULL || places[one].folder[0] != '/')
            continue;
        if (snprintf(root, sizeof root, "%s/%s", places[one].folder, places[one].below) >= PATH)
            continue;
        if (settle(root, &tail, self))
            become(root, &tail, count, arguments);
        if (damaged) {
            fprintf(stderr, "safelight: %s\n", wrong);
            return 1;
        }
    }
    fprintf(stderr,
            "safelight: expected a folder to unpack itself into, to write to and to run programs"
            " from; got %s. Set XDG_CACHE_HOME to one.\n", wrong);
    return 1;
}
