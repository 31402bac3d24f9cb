/* A V4L2 camera for one process, at native speed: preload it, and servers are compared on the very same pictures.
 *
 *     FAKECAMERA_FRAMES=FOLDER LD_PRELOAD=fakecamera.so PROGRAM ... /dev/video99
 *
 *     FAKECAMERA_FRAMES   the pictures: every file of this folder, by name, one after the other for ever
 *     FAKECAMERA_DEVICE   the path that opens the camera (default /dev/video99; it need not exist)
 *     FAKECAMERA_FORMAT   YUYV (default) or MJPG
 *     FAKECAMERA_SIZE     WxH (default 1280x720)
 *     FAKECAMERA_FPS      whole frames per second (default 30)
 *
 * Rules for this file: the camera costs the process next to nothing, because a real one fills its buffers by DMA and
 * what is measured is the server. So there are as many buffers as pictures, whatever number is asked for (a driver may
 * do that), each holds its picture for ever, in a memfd that mmap() maps, and nothing is copied. Into an MJPG picture
 * the driver's timestamp is written as it is handed out, as the comment "TS:<CLOCK_MONOTONIC us, 16 digits>" behind
 * SOI: a viewer can tell the age of a frame that any server passed through.
 *
 * Like a kernel's driver: a frame is due at every tick of a fixed grid and has that tick as its timestamp; it goes into
 * the oldest queued buffer, or is lost, with a gap in `sequence`, when none is queued; the descriptor (a timerfd) is
 * readable, for select, poll and epoll, while a filled buffer waits, and non-blocking if it was opened so. REQBUFS with
 * 0 frees, STREAMOFF gives all buffers back, close() ends all. Any thread may call.
 *
 * Not like one: one open at a time; only mmap; one format, size and rate, which is the answer to every wish; no
 * controls, events, standards or poll errors; read() gives no picture; programs that call the kernel without libc (static
 * ones, Go) see nothing, and `v4l2-ctl` asks sysfs first, where it isn't. Tried with uStreamer 4.9 and CPython 3.11.
 *
 * Longer than 400 lines because a preloaded object is best one file; it is one short function for each call it answers.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MOST_PICTURES 32
#define SECOND_NS 1000000000LL
#define ALIGNMENT 65536 /* the largest page there is: a buffer's place in memory is its offset for mmap() */
#define STAMP_BYTES 23 /* marker, length, "TS:", 16 digits */

/* What this file stands in front of. */
#define REAL(result, name, ...) ((result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

static struct {
    const char *path;
    uint32_t format;
    int width, height, fps, pictures;
    size_t slot_bytes; /* of one buffer, whole pages */
    size_t used_bytes[MOST_PICTURES];
} camera = {.path = "/dev/video99", .format = V4L2_PIX_FMT_YUYV, .width = 1280, .height = 720, .fps = 30};

/* The open device; all of it under `lock`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int device = -1, memory = -1;
static char *pictures;
static int streaming, allocated;
static int64_t next_tick_ns;
static uint32_t sequence;
/* Buffers the program gave us, oldest first, and filled ones it has not taken yet. */
static struct fifo {
    int count;
    struct filled { int index; int64_t tick_ns; uint32_t sequence; } items[MOST_PICTURES];
} queued, filled;

static void __attribute__((noreturn)) fail(const char *what, const char *why)
{
    fprintf(stderr, "fakecamera: %s: %s\n", what, why);
    _exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void push(struct fifo *to, struct filled item) { to->items[to->count++] = item; }

static struct filled pop(struct fifo *from)
{
    struct filled first = from->items[0];
    memmove(from->items, from->items + 1, --from->count * sizeof first);
    return first;
}

static int holds(const struct fifo *in, int index)
{
    for (int i = 0; i < in->count; i++)
        if (in->items[i].index == index)
            return 1;
    return 0;
}

/* ---- the pictures ---- */

static int is_file(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void configure(void)
{
    const char *value;
    if ((value = getenv("FAKECAMERA_DEVICE")))
        camera.path = value;
    if ((value = getenv("FAKECAMERA_FORMAT"))) {
        if (strlen(value) != 4)
            fail("FAKECAMERA_FORMAT", "expected YUYV or MJPG");
        camera.format = v4l2_fourcc(value[0], value[1], value[2], value[3]);
    }
    if ((value = getenv("FAKECAMERA_SIZE")) && sscanf(value, "%dx%d", &camera.width, &camera.height) != 2)
        fail("FAKECAMERA_SIZE", "expected WxH");
    if ((value = getenv("FAKECAMERA_FPS")) && (camera.fps = atoi(value)) < 1)
        fail("FAKECAMERA_FPS", "expected 1 or more");
}

/* The configuration is read once, by whoever is first: a library's constructor may come before ours. */
static pthread_once_t configured = PTHREAD_ONCE_INIT;

static int is_camera(const char *path)
{
    pthread_once(&configured, configure);
    return path && !strcmp(path, camera.path);
}

/* Put all pictures into one memfd, a slot for each. */
static void load(void)
{
    const char *folder = getenv("FAKECAMERA_FRAMES");
    struct dirent **entries;
    int stamped = camera.format == V4L2_PIX_FMT_MJPEG, count = folder ? scandir(folder, &entries, is_file, alphasort) : -1;
    if (count < 1 || count > MOST_PICTURES)
        fail("FAKECAMERA_FRAMES", "expected a folder with 1 to 32 pictures");
    char path[4096];
    struct stat about;
    size_t largest = 0;
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (REAL(int, stat, const char *, struct stat *)(path, &about) || about.st_size < 4)
            fail(path, "no picture");
        camera.used_bytes[i] = about.st_size + stamped * STAMP_BYTES;
        largest = camera.used_bytes[i] > largest ? camera.used_bytes[i] : largest;
    }
    if (!stamped && largest != (size_t)camera.width * camera.height * 2)
        fail(folder, "expected YUYV pictures of FAKECAMERA_SIZE");
    camera.pictures = count;
    camera.slot_bytes = (largest + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    memory = memfd_create("fakecamera", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, count * camera.slot_bytes))
        fail("memory for the pictures", strerror(errno));
    pictures = REAL(void *, mmap, void *, size_t, int, int, int, off_t)(
        NULL, count * camera.slot_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (pictures == MAP_FAILED)
        fail("memory for the pictures", strerror(errno));
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        FILE *file = fopen(path, "rb");
        char *to = pictures + i * camera.slot_bytes;
        if (stamped && file && fread(to, 1, 2, file) == 2)
            to += 2 + STAMP_BYTES;
        if (!file || !fread(to, 1, largest, file))
            fail(path, "can't be read");
        fclose(file);
        free(entries[i]);
    }
    free(entries);
}

static void stamp(char *jpeg, unsigned long long time_us)
{
    char comment[STAMP_BYTES + 1];
    snprintf(comment, sizeof comment, "\xff\xfe%c%cTS:%016llu", 0, STAMP_BYTES - 2, time_us % 10000000000000000ULL);
    memcpy(jpeg + 2, comment, STAMP_BYTES);
}

/* ---- time ---- */

/* Make the descriptor readable now, at the next tick, or never. */
static void arm(void)
{
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (filled.count)
        when.it_value.tv_nsec = 1; /* long ago */
    else if (streaming && queued.count) {
        when.it_value.tv_sec = next_tick_ns / SECOND_NS;
        when.it_value.tv_nsec = next_tick_ns % SECOND_NS;
    }
    timerfd_settime(device, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Do what the camera has done since it was last looked at. */
static void catch_up(void)
{
    int64_t now = now_ns();
    for (; streaming && next_tick_ns <= now; next_tick_ns += SECOND_NS / camera.fps, sequence++)
        if (queued.count)
            push(&filled, (struct filled){pop(&queued).index, next_tick_ns, sequence});
}

/* ---- ioctls: each returns 0 or the number of an error ---- */

static int query_capability(struct v4l2_capability *about)
{
    memset(about, 0, sizeof *about);
    strcpy((char *)about->driver, "fakecamera");
    strcpy((char *)about->card, "Fake camera");
    strcpy((char *)about->bus_info, "platform:fakecamera");
    about->version = 0x060100;
    about->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    about->capabilities = about->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int enumerate_format(struct v4l2_fmtdesc *format)
{
    if (format->index || format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return EINVAL;
    int compressed = camera.format == V4L2_PIX_FMT_MJPEG;
    format->flags = compressed ? V4L2_FMT_FLAG_COMPRESSED : 0;
    format->pixelformat = camera.format;
    strcpy((char *)format->description, compressed ? "Motion-JPEG" : "YUYV 4:2:2");
    return 0;
}

static int enumerate_size(struct v4l2_frmsizeenum *size)
{
    if (size->index || size->pixel_format != camera.format)
        return EINVAL;
    size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    size->discrete.width = camera.width;
    size->discrete.height = camera.height;
    return 0;
}

static int enumerate_interval(struct v4l2_frmivalenum *interval)
{
    if (interval->index || interval->pixel_format != camera.format || (int)interval->width != camera.width ||
        (int)interval->height != camera.height)
        return EINVAL;
    interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    interval->discrete = (struct v4l2_fract){1, camera.fps};
    return 0;
}

static int negotiate_format(struct v4l2_format *format)
{
    if (format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return EINVAL;
    memset(&format->fmt, 0, sizeof format->fmt);
    format->fmt.pix.width = camera.width;
    format->fmt.pix.height = camera.height;
    format->fmt.pix.pixelformat = camera.format;
    format->fmt.pix.field = V4L2_FIELD_NONE;
    format->fmt.pix.bytesperline = camera.format == V4L2_PIX_FMT_YUYV ? camera.width * 2 : 0;
    format->fmt.pix.sizeimage = camera.slot_bytes;
    format->fmt.pix.colorspace =
        camera.format == V4L2_PIX_FMT_MJPEG ? V4L2_COLORSPACE_JPEG : V4L2_COLORSPACE_SRGB;
    /* The pictures are full range, as a JPEG is: nobody has to stretch them, and nobody gains by not doing it. */
    format->fmt.pix.quantization = V4L2_QUANTIZATION_FULL_RANGE;
    return 0;
}

static int negotiate_rate(struct v4l2_streamparm *rate)
{
    if (rate->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return EINVAL;
    memset(&rate->parm, 0, sizeof rate->parm);
    rate->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    rate->parm.capture.timeperframe = (struct v4l2_fract){1, camera.fps};
    rate->parm.capture.readbuffers = camera.pictures;
    return 0;
}

static int request_buffers(struct v4l2_requestbuffers *request)
{
    if (request->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || request->memory != V4L2_MEMORY_MMAP)
        return EINVAL;
    if (streaming)
        return EBUSY;
    queued.count = filled.count = 0;
    request->count = allocated = request->count ? camera.pictures : 0;
    request->capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP;
    return 0;
}

static int refuses(const struct v4l2_buffer *buffer)
{
    return buffer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || (int)buffer->index >= allocated;
}

static int describe(struct v4l2_buffer *buffer)
{
    buffer->length = camera.slot_bytes;
    buffer->memory = V4L2_MEMORY_MMAP;
    buffer->m.offset = buffer->index * camera.slot_bytes;
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    return 0;
}

static int query_buffer(struct v4l2_buffer *buffer) { return refuses(buffer) ? EINVAL : describe(buffer); }

static int queue_buffer(struct v4l2_buffer *buffer)
{
    catch_up();
    if (refuses(buffer) || holds(&queued, buffer->index) || holds(&filled, buffer->index))
        return EINVAL;
    push(&queued, (struct filled){buffer->index, 0, 0});
    describe(buffer);
    buffer->flags |= V4L2_BUF_FLAG_QUEUED;
    if (queued.count == 1 && !filled.count)
        arm();
    return 0;
}

static int dequeue_buffer(struct v4l2_buffer *buffer)
{
    if (!streaming || buffer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return EINVAL;
    catch_up();
    if (!filled.count) {
        arm();
        return EAGAIN;
    }
    struct filled frame = pop(&filled);
    arm();
    buffer->index = frame.index;
    describe(buffer);
    buffer->bytesused = camera.used_bytes[frame.index];
    buffer->field = V4L2_FIELD_NONE;
    buffer->sequence = frame.sequence;
    buffer->timestamp.tv_sec = frame.tick_ns / SECOND_NS;
    buffer->timestamp.tv_usec = frame.tick_ns % SECOND_NS / 1000;
    if (camera.format == V4L2_PIX_FMT_MJPEG)
        stamp(pictures + frame.index * camera.slot_bytes, frame.tick_ns / 1000);
    return 0;
}

static int stream_on(void)
{
    if (!allocated)
        return EINVAL;
    if (!streaming) {
        streaming = 1;
        sequence = 0;
        next_tick_ns = now_ns() + SECOND_NS / camera.fps;
        arm();
    }
    return 0;
}

static int stream_off(void)
{
    streaming = 0;
    queued.count = filled.count = 0;
    arm();
    return 0;
}

static int answer(unsigned request, void *argument)
{
    switch (request) {
    case VIDIOC_QUERYCAP: return query_capability(argument);
    case VIDIOC_ENUM_FMT: return enumerate_format(argument);
    case VIDIOC_ENUM_FRAMESIZES: return enumerate_size(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_interval(argument);
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT: return negotiate_format(argument);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: return negotiate_rate(argument);
    case VIDIOC_REQBUFS: return request_buffers(argument);
    case VIDIOC_QUERYBUF: return query_buffer(argument);
    case VIDIOC_QBUF: return queue_buffer(argument);
    case VIDIOC_DQBUF: return dequeue_buffer(argument);
    case VIDIOC_STREAMON: return stream_on();
    case VIDIOC_STREAMOFF: return stream_off();
    case VIDIOC_G_INPUT: *(int *)argument = 0; return 0;
    case VIDIOC_S_INPUT: return *(int *)argument ? EINVAL : 0;
    case VIDIOC_QUERYCTRL:
    case VIDIOC_QUERY_EXT_CTRL: return EINVAL; /* no such control */
    default: return ENOTTY;
    }
}

/* ---- what stands in front of libc ---- */

static int open_camera(int flags)
{
    pthread_mutex_lock(&lock);
    if (device >= 0) {
        pthread_mutex_unlock(&lock);
        errno = EBUSY;
        return -1;
    }
    if (memory < 0)
        load();
    int options = (flags & O_NONBLOCK ? TFD_NONBLOCK : 0) | (flags & O_CLOEXEC ? TFD_CLOEXEC : 0);
    device = timerfd_create(CLOCK_MONOTONIC, options);
    int fd = device;
    pthread_mutex_unlock(&lock);
    return fd;
}

#define HAS_MODE(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)

#define OPENS(name)                                                              \
    int name(const char *path, int flags, ...)                                   \
    {                                                                            \
        if (is_camera(path))                                                     \
            return open_camera(flags);                                           \
        va_list rest;                                                            \
        va_start(rest, flags);                                                   \
        mode_t mode = HAS_MODE(flags) ? va_arg(rest, mode_t) : 0;                \
        va_end(rest);                                                            \
        return REAL(int, name, const char *, int, ...)(path, flags, mode);       \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                           \
    int name(int folder, const char *path, int flags, ...)                       \
    {                                                                            \
        if (is_camera(path))                                                     \
            return open_camera(flags);                                           \
        va_list rest;                                                            \
        va_start(rest, flags);                                                   \
        mode_t mode = HAS_MODE(flags) ? va_arg(rest, mode_t) : 0;                \
        va_end(rest);                                                            \
        return REAL(int, name, int, const char *, int, ...)(folder, path, flags, mode); \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int access(const char *path, int mode)
{
    return is_camera(path) ? 0 : REAL(int, access, const char *, int)(path, mode);
}

int faccessat(int folder, const char *path, int mode, int flags)
{
    return is_camera(path) ? 0 : REAL(int, faccessat, int, const char *, int, int)(folder, path, mode, flags);
}

#define STATS(name, type)                                                    \
    int name(const char *path, struct type *about)                           \
    {                                                                        \
        if (!is_camera(path))                                                \
            return REAL(int, name, const char *, struct type *)(path, about); \
        memset(about, 0, sizeof *about);                                     \
        about->st_mode = S_IFCHR | 0660;                                     \
        about->st_nlink = 1;                                                 \
        about->st_rdev = makedev(81, 99); /* 81: video4linux */              \
        return 0;                                                            \
    }
STATS(stat, stat)
STATS(stat64, stat64)
STATS(lstat, stat)
STATS(lstat64, stat64)

int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd == device) {
        streaming = allocated = queued.count = filled.count = 0;
        device = -1;
    }
    pthread_mutex_unlock(&lock);
    return REAL(int, close, int)(fd);
}

#define MAPS(name, offset_t)                                                                                \
    void *name(void *at, size_t length, int protection, int flags, int fd, offset_t offset)                 \
    {                                                                                                       \
        return REAL(void *, name, void *, size_t, int, int, int, offset_t)(                                 \
            at, length, protection, flags, fd >= 0 && fd == device ? memory : fd, offset);                  \
    }
MAPS(mmap, off_t)
MAPS(mmap64, off64_t)

int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (fd < 0 || fd != device)
        return REAL(int, ioctl, int, unsigned long, void *)(fd, request, argument);
    for (;;) {
        pthread_mutex_lock(&lock);
        int error = answer(request, argument);
        pthread_mutex_unlock(&lock);
        if (!error)
            return 0;
        errno = error;
        if (error != EAGAIN || fcntl(fd, F_GETFL) & O_NONBLOCK)
            return -1;
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        poll(&readable, 1, -1);
    }
}
