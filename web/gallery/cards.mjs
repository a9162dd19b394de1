// The page of a gallery: says so where there is no WebGPU.

/** @type {HTMLElement} */ (document.getElementById("gpu")).hidden = "gpu" in navigator && Boolean(navigator.gpu);
