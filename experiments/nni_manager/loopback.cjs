// Loaded into the Node process of NNI's manager before its own code (NODE_OPTIONS=--require); made for NNI 3.0.
// NNI's servers listen on every interface, have no option for it and no login. Here they listen on the addresses in
// $SSR_NAS_LISTEN, of which the first is the server's own. The tuner that the manager starts is tied to it, and has a
// minute to call it: NNI's ten seconds are too few on a busy machine. Where $SSR_NAS_OWNER names a process, the manager
// ends with it, and takes along what it has started.
'use strict';
const childProcess = require('child_process');
const fs = require('fs');
const net = require('net');

const hosts = (process.env.SSR_NAS_LISTEN || '127.0.0.1').split(',');
// What the manager starts (trials, TensorBoard) is no manager.
delete process.env.NODE_OPTIONS;
delete process.env.SSR_NAS_LISTEN;

const listen = net.Server.prototype.listen;

function portOf(first) {
    if (first !== null && typeof first === 'object') {
        const elsewhere = [first.path, first.fd, first._handle].some((value) => value !== undefined);
        return elsewhere ? undefined : first.port;
    }
    const port = Number(first);
    return first === undefined || first === null ? 0 : Number.isInteger(port) ? port : undefined;
}

net.Server.prototype.listen = function (...args) {
    const port = typeof args[0] === 'function' ? 0 : portOf(args[0]);
    if (port === undefined) { // a path, a handle, a file descriptor
        return listen.apply(this, args);
    }
    for (const host of hosts.slice(1)) { // an HTTP server takes connections that another server has accepted
        const beside = net.createServer((socket) => this.emit('connection', socket));
        beside.on('error', (error) => this.emit('error', error));
        this.on('close', () => beside.close());
        listen.call(beside, { port, host });
    }
    const callbacks = args.filter((arg) => typeof arg === 'function');
    return listen.call(this, { port, host: hosts[0] }, ...callbacks);
};

const spawn = childProcess.spawn;

childProcess.spawn = function (command, args, options) {
    if (command === 'tensorboard' && Array.isArray(args)) { // by its button, for every interface too
        args = args.map((arg) => arg.replace('--bind_all', `--host=${hosts[0]}`));
    } else if (Array.isArray(args) && args[0] === '-m' && args[1] === 'nni') { // the tuner; see tethered.py
        args = ['-m', 'experiments.nni_manager.tethered', ...args.slice(2)];
        const env = options && options.env || process.env;
        options = { ...options, env: { ...env, SSR_NAS_MANAGER: String(process.pid) } };
    }
    return spawn.call(this, command, args, options);
};

const later = global.setTimeout;

global.setTimeout = function (callback, milliseconds, ...args) {
    const ofTuner = milliseconds === 10000 && String(callback).includes('Tuner did not connect');
    return later(callback, ofTuner ? 60000 : milliseconds, ...args);
};
Object.defineProperties(global.setTimeout, Object.getOwnPropertyDescriptors(later));

function isAlive(pid) {
    try {
        process.kill(pid, 0);
        return !fs.existsSync('/proc/self') || !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
    } catch (error) {
        return error.code === 'EPERM';
    }
}

const owner = Number(process.env.SSR_NAS_OWNER);
if (owner) {
    setInterval(() => {
        if (!isAlive(owner)) {
            try {
                process.kill(-process.pid, 'SIGKILL'); // its group, which NNI's launcher has made
            } catch {
                process.exit(1);
            }
        }
    }, 500).unref();
}
