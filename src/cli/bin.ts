console.log("stub", process.version, process.argv.slice(2).join(" "))
