/** Where the image keeps the guest's programs; the scripts' own list of places is `scripts/ralph-places`. */
export const scriptsFolder = '/usr/local/bin';
